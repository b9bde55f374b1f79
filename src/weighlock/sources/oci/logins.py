"""Who to say that we are, to a registry: what ``docker login``, ``oras login`` and ``podman login`` left behind.

Source:
    Docker's "docker login", "Credential helpers" and its config.json; containers-auth.json(5).
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

from weighlock.errors import SourceError
from weighlock.sources.credentials import Login

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DOCKER_HUB = "docker.io"
IDENTITY = "<token>"
"""In place of a user: the password is a token that is exchanged for others."""

_DOCKER_HUB_NAMES = ("https://index.docker.io/v1/", "index.docker.io", "docker.io", "registry-1.docker.io")
_HELPER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")
_HELPER_SECONDS = 60.0  # a keychain may ask its owner to unlock it
_LARGEST = 1 << 20


def find_login(host: str, path: str, environ: Mapping[str, str]) -> Login | None:
    """Return what the user has for a registry, or nothing.

    Args:
        host: With its port.
        path: Of the repository; containers-auth.json knows logins for a part of a registry.
        environ: ``DOCKER_AUTH_CONFIG`` is a configuration itself; ``REGISTRY_AUTH_FILE``, ``DOCKER_CONFIG``, ``HOME``
            and ``XDG_RUNTIME_DIR`` say where one is.

    Raises:
        SourceError: A configuration is there and cannot be understood.
    """
    for where, document in _configurations(environ):
        login = _in_configuration(document, host, path, environ, where)
        if login is not None:
            return login
    return None


def _configurations(environ: Mapping[str, str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if environ.get("DOCKER_AUTH_CONFIG"):
        yield "DOCKER_AUTH_CONFIG", _parsed(environ["DOCKER_AUTH_CONFIG"].encode(), "DOCKER_AUTH_CONFIG")
    home = environ.get("HOME") or os.path.expanduser("~")
    files = [environ.get("REGISTRY_AUTH_FILE") or ""]
    files.append(os.path.join(environ.get("DOCKER_CONFIG") or os.path.join(home, ".docker"), "config.json"))
    if environ.get("XDG_RUNTIME_DIR"):
        files.append(os.path.join(environ["XDG_RUNTIME_DIR"], "containers", "auth.json"))
    for file in filter(None, files):
        try:
            with open(file, "rb") as opened:
                data = opened.read(_LARGEST + 1)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            continue
        except OSError as error:
            raise SourceError(f"cannot be read: {error.strerror}", where=file) from error
        yield file, _parsed(data, file)


def _parsed(data: bytes, where: str) -> Mapping[str, Any]:
    try:
        document = json.loads(data) if len(data) <= _LARGEST else None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise SourceError("is not a configuration of docker", where=where, hint="log in again: `docker login HOST`")
    return document


def _in_configuration(
    document: Mapping[str, Any], host: str, path: str, environ: Mapping[str, str], where: str
) -> Login | None:
    names = _DOCKER_HUB_NAMES if host == DOCKER_HUB else (host,)
    helpers = document.get("credHelpers")
    for name in names:
        helper = helpers.get(name) if isinstance(helpers, dict) else None
        found = _from_helper(helper, name, environ, where) if helper else None
        if found is not None:
            return found
    auths = document.get("auths")
    for key in _keys(names, path):
        found = _stored(auths.get(key) if isinstance(auths, dict) else None)
        if found is not None:
            return found
    store = document.get("credsStore")
    stored = (_from_helper(store, name, environ, where) for name in names) if store else ()
    return next((login for login in stored if login is not None), None)


def _keys(names: tuple[str, ...], path: str) -> Iterator[str]:
    """Yield the keys of a login, that for the longest part of the repository's path first."""
    parts = path.split("/")
    for name in names:
        for end in range(len(parts), 0, -1):
            yield "/".join((name, *parts[:end]))
        yield from (name, f"https://{name}", f"https://{name}/", f"http://{name}")


def _stored(entry: Any) -> Login | None:
    if not isinstance(entry, dict):
        return None
    if isinstance(entry.get("identitytoken"), str) and entry["identitytoken"]:
        return Login(IDENTITY, entry["identitytoken"])
    if isinstance(entry.get("auth"), str) and entry["auth"]:
        try:
            user, colon, password = base64.b64decode(entry["auth"], validate=True).decode("utf-8").partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return Login(user, password.rstrip("\0")) if colon else None
    if isinstance(entry.get("username"), str) and isinstance(entry.get("password"), str):
        return Login(entry["username"], entry["password"])
    return None


def _from_helper(helper: Any, server: str, environ: Mapping[str, str], where: str) -> Login | None:
    """Ask a credential helper, a program that the configuration names by the end of its name."""
    if not isinstance(helper, str) or not _HELPER.match(helper):
        raise SourceError("names a credential helper that is no name", where=where)
    command = shutil.which(f"docker-credential-{helper}", path=environ.get("PATH"))
    if command is None:
        return None  # the registry refuses who has no password, so nothing is admitted by that
    try:
        done = subprocess.run(  # noqa: S603 - the user's own helper, as docker calls it
            [command, "get"],
            input=server.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(environ),
            timeout=_HELPER_SECONDS,
            check=False,
        )
        said = json.loads(done.stdout[:_LARGEST]) if done.returncode == 0 else None
    except (OSError, subprocess.TimeoutExpired, ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or not isinstance(said.get("Secret"), str) or not said["Secret"]:
        return None
    return Login(str(said.get("Username") or ""), said["Secret"])
