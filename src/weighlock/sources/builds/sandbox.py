"""A place in which code that nobody has judged may run: no network, no files of the user, no variables, bounded.

bubblewrap makes it where it is installed, ``unshare`` of util-linux and ``enter.py`` otherwise; both stand on the
namespaces of Linux. A sandbox counts only after it has proved itself: a program in it tries to get out, and where one
attempt succeeds, or cannot be made, there is no sandbox.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weighlock.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_ENTER = Path(__file__).with_name("enter.py")
_PROBE = Path(__file__).with_name("probe.py")
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/alternatives", "/etc/ld.so.cache")
_NAMESPACES = ("--user", "--map-root-user", "--mount", "--pid", "--net", "--ipc", "--uts")
_SHOWN = 4096  # bytes of the output that an error shows
_POLL = 0.5  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a program in the sandbox may use.

    Args:
        seconds: Until it is killed.
        memory: Bytes, of each process.
        disk: Bytes in the folder that it may write.
    """

    seconds: float = 900
    memory: int = 16 << 30
    disk: int = 8 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A way to run programs in isolation that has proved itself.

    Args:
        tool: ``bwrap`` or ``unshare``, by its path.
        readable: Folders and files that programs see, beside those of the system.
        limits: What they may use.
    """

    tool: str
    readable: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)

    def run(
        self,
        command: Sequence[str],
        folder: Path,
        environ: Mapping[str, str] | None = None,
        *,
        start: Path | None = None,
    ) -> str:
        """Run a program.

        Args:
            command: With the full path of the program.
            folder: The only one that it may write; it is at the same path inside.
            environ: Its variables; there are no others.
            start: Where in it the program starts.

        Returns:
            What it said, or the end of that.

        Raises:
            SourceError: It failed, or was over a limit; the message has the end of what it said.
        """
        log = folder.with_name(f"{folder.name}.log")
        with open(log, "wb") as output:
            child = subprocess.Popen(  # noqa: S603 - in isolation
                self._command(command, folder, environ or {}, start or folder),
                env={},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                problem = _wait(child, self.limits, (folder, log))
            finally:
                _kill(child)
        said = _end_of(log)
        if problem or child.returncode:
            raise SourceError(f"{problem or f'it ended with status {child.returncode}'}: {said or 'it said nothing'}")
        return said

    def _command(self, command: Sequence[str], folder: Path, environ: Mapping[str, str], start: Path) -> list[str]:
        outer = _interpreter()
        base = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": str(folder), "TMPDIR": str(folder)}
        readable = list(_readable(self.readable))
        told: dict[str, Any] = {
            "root": None,
            "readable": readable,
            "writable": str(folder),
            "folder": str(start),
            "command": list(command),
            "environ": {**base, **environ},
            "limits": {
                "RLIMIT_AS": self.limits.memory,
                "RLIMIT_FSIZE": self.limits.disk,
                "RLIMIT_CPU": int(self.limits.seconds) + 1,
                "RLIMIT_CORE": 0,
            },
        }
        if os.path.basename(self.tool) == "bwrap":
            return [*_bubble(self.tool, readable, str(folder)), *outer, str(_ENTER), json.dumps(told)]
        root = folder.with_name(f"{folder.name}.root")
        root.mkdir(exist_ok=True)
        told["root"] = str(root)
        return [self.tool, *_NAMESPACES, "--fork", "--kill-child=KILL", *outer, str(_ENTER), json.dumps(told)]


def find(readable: Iterable[str] = (), limits: Limits | None = None) -> Sandbox:
    """Return the first sandbox that proves itself.

    Args:
        readable: What programs shall see, beside the system and the Python that runs this.
        limits: What they may use.

    Raises:
        SourceError: There is none here; the message says what was tried.
    """
    tried = []
    for name in ("bwrap", "unshare") if sys.platform == "linux" else ():
        tool = shutil.which(name, path="/usr/bin:/bin:/usr/local/bin")
        if tool is None:
            tried.append(f"{name} is not installed")
            continue
        sandbox = Sandbox(tool=tool, readable=tuple(readable), limits=limits or Limits())
        problem = prove(sandbox)
        if problem is None:
            return sandbox
        tried.append(f"{name}: {problem}")
    raise SourceError(
        f"nothing here can be built in isolation: {'; '.join(tried) or 'only Linux has what it takes'}",
        hint="use a wheel, or build one on a machine with bubblewrap and install that file",
    )


def prove(sandbox: Sandbox) -> str | None:
    """Say what a program can do in a sandbox that it must not, or `None` where it can do nothing of the kind."""
    with tempfile.TemporaryDirectory(prefix="weighlock-probe-") as name, socket.socket() as listener:
        place = Path(name)
        inside = place / "inside"
        inside.mkdir()
        secret = place / "secret"
        secret.write_text(secrets.token_hex(16))
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        asked = {
            "port": listener.getsockname()[1],
            "secret": str(secret),
            "folders": [os.path.expanduser("~"), os.getcwd(), *({sys.prefix} - {sys.base_prefix})],
            "process": os.getpid(),
            "variables": sorted(os.environ),
            "readable": [*_SYSTEM, *sandbox.readable],
        }
        command = [*_interpreter(), str(_PROBE), json.dumps(asked)]
        quick = Sandbox(tool=sandbox.tool, readable=sandbox.readable, limits=Limits(seconds=60))
        try:
            quick.run(command, inside)
            answer = json.loads((inside / "answer.json").read_bytes()[:_SHOWN])
        except (SourceError, OSError, ValueError) as error:
            return str(error)
        escapes = [f"it can {what}" for what, possible in answer.items() if possible is not False]
        return "; ".join(escapes) if escapes or not answer else None


def _interpreter() -> list[str]:
    """Return how to start this Python without what its user has added."""
    return [os.path.realpath(sys.executable), "-I", "-S"]


def _readable(more: Iterable[str]) -> Iterable[str]:
    # Of the Python itself and not of the environment that weighlock is in, which is none of a build's business.
    stdlib = [sysconfig.get_path("stdlib"), sys.base_prefix, sys.base_exec_prefix]
    own = [str(_ENTER), str(_PROBE), *more]
    for path in dict.fromkeys([*_SYSTEM, *map(os.path.realpath, stdlib), *own]):
        if os.path.lexists(path) and not path.startswith(("/usr/",)):
            if os.path.realpath(path) in {"/", "/root", "/home", os.path.expanduser("~")}:
                raise SourceError("would be seen in the sandbox as a whole", where=path)
            yield path


def _bubble(tool: str, readable: Iterable[str], writable: str) -> list[str]:
    words = [tool, "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"]
    for path in sorted(readable):  # a folder before what is in it
        words += ["--symlink", os.readlink(path), path] if os.path.islink(path) else ["--ro-bind", path, path]
    return [*words, "--bind", writable, writable, "--dev", "/dev", "--remount-ro", "/", "--"]


def _wait(child: subprocess.Popen[bytes], limits: Limits, written: Iterable[Path]) -> str | None:
    """Wait for the end, and say which limit was reached before it."""
    end = time.monotonic() + limits.seconds
    while True:
        with suppress(subprocess.TimeoutExpired):
            child.wait(_POLL)
            return None
        if time.monotonic() > end:
            return f"it took longer than {limits.seconds:g} seconds"
        if sum(map(_size, written)) > limits.disk:
            return f"it wrote more than {limits.disk} bytes"


def _size(path: Path) -> int:
    total = 0
    with suppress(OSError):
        total = path.lstat().st_size
    for parent, _, names in os.walk(path):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(parent, name)).st_blocks * 512
    return total


def _kill(child: subprocess.Popen[bytes]) -> None:
    """End it with everything that it has started: the first process of the namespace takes the others with it."""
    if child.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _end_of(log: Path) -> str:
    with open(log, "rb") as file:
        file.seek(max(0, log.stat().st_size - _SHOWN))
        return file.read(_SHOWN).decode("utf-8", "replace").strip()
