"""Who to say that we are, to a package index: what stands in its URL, in netrc, in the keyring, as pip looks for it.

What is found goes into one header of one request and nowhere else.
"""

from __future__ import annotations

import base64
import json
import netrc
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEYRING_SECONDS = 60.0  # a keyring may ask its owner to unlock it


@dataclass(frozen=True, slots=True)
class Login:
    """A user and a password."""

    user: str
    password: str = field(repr=False)

    @property
    def header(self) -> dict[str, str]:
        """The header that says so."""
        pair = base64.b64encode(f"{self.user}:{self.password}".encode()).decode("ascii")
        return {"Authorization": f"Basic {pair}"}

    @classmethod
    def in_url(cls, url: str) -> Self | None:
        """Return what a URL carries; a password may be missing in it, then it is empty as for pip."""
        parts = urlsplit(url)
        if parts.username is None and parts.password is None:
            return None
        return cls(unquote(parts.username or ""), unquote(parts.password or ""))


def from_netrc(host: str, environ: Mapping[str, str]) -> Login | None:
    """Return what the user's netrc has for a host.

    Args:
        host: Without a port.
        environ: ``NETRC`` names another file.

    Source:
        `requests.utils.get_netrc_auth`: ``NETRC``, else ``~/.netrc`` or ``~/_netrc``; one that cannot be read is none.
    """
    paths = [environ["NETRC"]] if environ.get("NETRC") else ["~/.netrc", "~/_netrc"]
    path = next((full for full in map(os.path.expanduser, paths) if os.path.isfile(full)), None)
    if path is None or not host:
        return None
    try:
        found = netrc.netrc(path).authenticators(host)
    except (OSError, ValueError, netrc.NetrcParseError):
        return None  # the server refuses who has no password, so nothing is admitted by that
    return None if found is None else Login(found[0] or found[1] or "", found[2] or "")


def from_keyring(services: tuple[str, ...], user: str, environ: Mapping[str, str]) -> Login | None:
    """Return what the command ``keyring`` has, where there is one.

    Args:
        services: Names to look under, in order: the URL of the index and its host.
        user: Whose password it shall be; empty for anybody's.
        environ: For the command.

    Source:
        `pip._internal.network.auth.KeyRingCliProvider`.
    """
    command = shutil.which("keyring", path=environ.get("PATH"))
    if command is None:
        return None
    for service in services:
        found = _credential(command, service, user, environ) or _password(command, service, user, environ)
        if found is not None:
            return found
    return None


def _credential(command: str, service: str, user: str, environ: Mapping[str, str]) -> Login | None:
    asked = [command, "--mode=creds", "--output=json", "get", service, *([user] if user else [])]
    try:
        answer = json.loads(_said(asked, environ) or "null")
    except ValueError:
        return None
    if not isinstance(answer, dict) or not isinstance(answer.get("password"), str):
        return None
    return Login(str(answer.get("username") or user), answer["password"])


def _password(command: str, service: str, user: str, environ: Mapping[str, str]) -> Login | None:
    """Ask as an older keyring understands it, which needs to know whose password it shall look up."""
    said = _said([command, "get", service, user], environ) if user else None
    return Login(user, said.rstrip("\r\n")) if said else None


def _said(command: list[str], environ: Mapping[str, str]) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - the user's own keyring, which pip asks as well
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**environ, "PYTHONIOENCODING": "utf-8"},
            timeout=_KEYRING_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None
