"""uv, started so that nothing but the request tells it what to do, and so that it builds nothing.

It reads no configuration, no variable of its own and no project; its cache is a folder of this installation, because
that of the user may hold what was built from an sdist, which ``--no-build`` would let it use.

Source:
    https://docs.astral.sh/uv/reference/cli/#uv-pip-compile, https://docs.astral.sh/uv/reference/environment/
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from importlib import import_module
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from weighlock.errors import NoWheelError, SourceError, UsageError
from weighlock.sources.pip.problems import without_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from weighlock.sources.pip.interface import PipRequest

_FIXED = (
    "--quiet",
    "--no-build",
    "--no-config",
    "--no-sources",
    "--no-python-downloads",
    "--no-header",
    "--no-annotate",
    "--color=never",
    "--format=pylock.toml",
)
_DRAWING = re.compile(r"[\u00d7\u2500-\u25ff]")
_NO_WHEEL = re.compile(r"Wheels are required for `([A-Za-z0-9][A-Za-z0-9._-]{0,200})`")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_LONGEST = 600
_MOST_OUTPUT = 1 << 17


def find(environ: Mapping[str, str]) -> str:
    """Return the uv to start: that on the path, else the one in weighlock's own environment.

    Args:
        environ: Of the user.

    Raises:
        UsageError: There is none.
    """
    found = shutil.which("uv", path=environ.get("PATH", os.defpath))
    if found is not None:
        return os.path.abspath(found)
    try:
        return os.path.abspath(str(import_module("uv").find_uv_bin()))
    except (ImportError, AttributeError, OSError):
        hint = "install it with `pip install uv` into weighlock's environment, or leave --resolver out"
        raise UsageError("--resolver uv needs uv, and there is none", hint=hint) from None


def compile_(request: PipRequest, arguments: Sequence[str], folder: Path) -> None:
    """Run ``uv pip compile``.

    Args:
        request: Says which interpreter, variables and network settings.
        arguments: That say what to resolve; what they name lies in the folder.
        folder: A private folder, where uv runs and keeps its cache.

    Raises:
        UsageError: uv cannot be started.
        SourceError: It found no answer.
    """
    command = [find(request.environ), "pip", "compile", *_FIXED, f"--python={request.python}"]
    command += [f"--cache-dir={folder / 'cache'}", *_insecure(request), *arguments]
    output = folder / "output"
    with output.open("wb") as file:
        try:
            done = subprocess.run(  # noqa: S603 - the program that the user named
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=environment(request, folder),
                cwd=folder,
                check=False,
            )
        except OSError as error:
            raise UsageError(f"cannot be started: {error.strerror}", where=command[0]) from None
    if done.returncode != 0:
        raise _problem(output, request)


def environment(request: PipRequest, folder: Path) -> dict[str, str]:
    """Return the variables for uv: the user's without what uv takes as a setting, and the network settings of pip."""
    network = request.network
    kept = {name: value for name, value in request.environ.items() if not name.startswith(("UV_", "RUST_LOG"))}
    own = {"TMPDIR": str(folder), "WEIGHLOCK_MODE": "off", "UV_SYSTEM_CERTS": "true", "UV_NATIVE_TLS": "true"}
    if "--no-proxy-env" in request.fetching or network.proxy:
        kept = {name: value for name, value in kept.items() if name.lower() not in {*_PROXIES, "no_proxy"}}
    if network.proxy:
        own |= {variable: network.proxy for name in _PROXIES for variable in (name, name.upper())}
    if network.cert:
        kept = {name: value for name, value in kept.items() if name not in {"SSL_CERT_FILE", "SSL_CERT_DIR"}}
        own["SSL_CERT_DIR" if os.path.isdir(network.cert) else "SSL_CERT_FILE"] = network.cert
    if network.client_cert:
        own["SSL_CLIENT_CERT"] = network.client_cert
    if network.timeout:
        own["UV_HTTP_TIMEOUT"] = _seconds(network.timeout)
    for option in request.fetching:
        if option.startswith("--retries="):
            own["UV_HTTP_RETRIES"] = option.partition("=")[2]
    return kept | own


def _seconds(text: str) -> str:
    """Return whole seconds, which is all that uv takes."""
    try:
        return str(max(1, round(float(text))))
    except (ValueError, OverflowError):
        raise UsageError("is no number of seconds", where=f"--timeout {text[:50]}", hint="write --timeout 30") from None


def _insecure(request: PipRequest) -> list[str]:
    return [f"--allow-insecure-host={host}" for host in request.network.trusted_hosts]


def _problem(output: Path, request: PipRequest) -> SourceError:
    with output.open("rb") as file:
        data = file.read(_MOST_OUTPUT)
    text = without_secrets(data.decode(errors="replace"), request)
    words = " ".join(_DRAWING.sub(" ", text).split()).removeprefix("error:").strip()
    missing = _NO_WHEEL.search(words)
    if missing:
        name = canonicalize_name(missing[1])
        hint = f'where it is only there as an sdist, have it built in isolation: allow-build = ["{name}"]'
        return NoWheelError(_as_asked(name, request), hint=hint)
    return SourceError(f"uv found no answer: {words[:_LONGEST].rstrip('.') or 'it said nothing'}")


def _as_asked(name: str, request: PipRequest) -> str:
    """Return a project with the versions of it that were asked for."""
    texts = [one.line.split(" --hash=")[0] for one in request.requirements if one.name == name and one.url is None]
    return f"{name}{','.join(str(Requirement(text).specifier) for text in texts[:1])}"
