"""Runs pip in the target's interpreter so that it can start nothing; a program of its own, never imported.

``PYTHON -I -X utf8 launcher.py CHANNEL``: it reads one JSON line after the other from a socket, runs pip with those
arguments, and answers with one line. It must run under every Python that pip runs under, and imports nothing of
weighlock, because that need not be installed there.

Two things keep a build from starting, and each would be enough:

- ``sys.executable`` is a program that does nothing. pip starts build backends and build environments through it.
- An audit hook refuses every start of a process, whoever asks for it. It cannot be taken away again. Only two things
  pass: what ``keyring`` starts while pip asks it for a password, and the loader of a musl system, which pip asks for
  its version.

Archives that are no wheels are not even unpacked.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType
    from typing import Any, NoReturn

REFUSAL = "weighlock: nothing is run or built before the verdict"
_STARTS = (
    "subprocess.Popen",
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.spawn",
    "os.system",
    "os.startfile",
    "os.startfile/2",
    "pty.spawn",
    "_winapi.CreateProcess",
)


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _STARTS and not _is_keyring(sys._getframe(1)) and not _is_musl(event, arguments):  # noqa: SLF001
        raise PermissionError(REFUSAL)


def _is_keyring(frame: FrameType | None) -> bool:
    """Say whether pip is asking keyring: no build ever starts inside of that."""
    while frame is not None:
        owner = frame.f_locals.get("self")
        if (
            frame.f_globals.get("__name__") == "pip._internal.network.auth"
            and type(owner).__module__ == "pip._internal.network.auth"
            and type(owner).__name__ in ("KeyRingPythonProvider", "KeyRingCliProvider")
        ):
            return True
        frame = frame.f_back
    return False


def _is_musl(event: str, arguments: tuple[Any, ...]) -> bool:
    if event != "subprocess.Popen" or len(arguments) < 2:
        return False
    program, command = arguments[:2]
    return (
        isinstance(program, str)
        and os.path.basename(program).startswith("ld-musl-")
        and os.path.dirname(program) in ("/lib", "/usr/lib")
        and list(command) == [program]
    )


class _OnlyPip:
    """Finds pip in a place that must not be on the path with everything else that lies there."""

    def __init__(self, place: str) -> None:
        self._place = place

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:  # noqa: ARG002
        return PathFinder.find_spec(name, [self._place]) if name == "pip" else None


def _provide(place: str | None) -> None:
    if find_spec("pip") is None and place:
        sys.meta_path.insert(0, _OnlyPip(place))


def _see_user_site() -> None:
    """Let pip see what the user has installed for herself, as without ``-I``, but run no ``.pth`` of it."""
    import site

    in_venv = sys.prefix != sys.base_prefix
    if in_venv or os.environ.get("PYTHONNOUSERSITE"):
        return
    folder = site.getusersitepackages()
    site.ENABLE_USER_SITE = True
    if os.path.isdir(folder):
        first = next((index for index, path in enumerate(sys.path) if path.endswith(("-packages",))), len(sys.path))
        sys.path.insert(first, folder)


def _never_unpack() -> None:
    from pip._internal.exceptions import InstallationError
    from pip._internal.utils import unpacking

    def refuse(filename: str, *_arguments: Any, **_named: Any) -> NoReturn:
        raise InstallationError(REFUSAL + ": " + os.path.basename(filename))

    for name in ("unpack_file", "untar_file", "unzip_file"):
        if hasattr(unpacking, name):
            setattr(unpacking, name, refuse)


def _tell_failing_indexes() -> None:
    """Print why an index gave no answer; pip tells only who asks it for everything, which costs it a second."""
    try:
        from pip._internal.index import collector

        original = collector._handle_get_simple_fail  # noqa: SLF001
    except (ImportError, AttributeError):
        return  # pip's own words then have to do

    def tell(link: Any, reason: Any, *arguments: Any, **named: Any) -> Any:
        if " 404 " not in " " + str(reason):
            sys.stderr.write("Could not fetch URL " + str(link) + ": " + str(reason) + "\n")
        return original(link, reason, *arguments, **named)

    collector._handle_get_simple_fail = tell  # noqa: SLF001


def _run(arguments: Sequence[str]) -> int:
    from pip._internal.cli.main import main

    sys.argv = ["pip", *arguments]
    try:
        return int(main(list(arguments)) or 0)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _serve(channel: socket.socket) -> None:
    lines = channel.makefile("r", encoding="utf-8", newline="\n")
    start = json.loads(lines.readline())
    sys.executable = start["nothing"]
    sys.addaudithook(_refuse)
    _see_user_site()
    _provide(start["pip"])
    if "_weighlock_pip" in sys.modules:  # the shim would send this pip to weighlock again
        sys.modules["_weighlock_pip"].stand_aside()
    try:
        import pip

        _never_unpack()
        answer = {"pip": pip.__version__}
    except ImportError as error:
        answer = {"problem": str(error)}
    channel.sendall(json.dumps(answer).encode() + b"\n")
    if "pip" in answer:
        _tell_failing_indexes()
    for line in lines:
        code = _run(json.loads(line))
        channel.sendall(json.dumps({"code": code}).encode() + b"\n")


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
