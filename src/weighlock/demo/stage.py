"""Where the demonstration plays: a temporary folder, a Hub on the loopback interface, and child processes."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import deque
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import weighlock
from weighlock.demo.attacks import NIGHTLY
from weighlock.demo.hub import LoopbackHub
from weighlock.demo.index import LoopbackIndex
from weighlock.errors import WeighlockError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType, TracebackType

_TIMEOUT = 240
"""Seconds for one child; the slowest imports transformers, which a busy machine does in half a minute."""

_ABREAST = 2
"""Children at once: importing torch keeps one core busy."""

_FOREIGN = ("WEIGHLOCK_", "HF_", "HUGGINGFACE_", "HUGGING_FACE_", "TRANSFORMERS_", "TORCH_", "PYTHON", "PIP_", "_PIP_")
"""Settings of the user that must not reach the children: tokens, caches, endpoints, locks."""

_NEEDED = ("PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")

_BOOTSTRAP = os.path.join(os.path.dirname(os.path.abspath(weighlock.__file__)), "runtime", "bootstrap")
"""Where `weighlock run` makes children find the guard: the demonstration may itself be guarded."""

_PROJECT = ("fleet.py", "load.py")

_MODULES = ("weighlock", "pip")


@dataclass(frozen=True, slots=True)
class Command:
    """One command of the demonstration.

    Args:
        words: As a user would type them; ``python``, ``pip`` and ``weighlock`` are those of this environment, and a
            program with a folder before it lies in that of `project`.
        project: The folder in which it runs, relative to the stage.
    """

    words: tuple[str, ...]
    project: str = "project"

    def __str__(self) -> str:
        return shlex.join(self.words)


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of a command.

    Args:
        command: The command.
        code: Its exit code.
        out: What it wrote to standard output.
        err: What it wrote to standard error.
    """

    command: Command
    code: int
    out: str
    err: str


class Stage:
    """A context manager that leaves nothing behind, however it is left.

    Args:
        keep: Leave the folder where it is.

    Attributes:
        folder: The temporary folder.
        hub: The Hub.
        index: The package indexes.
    """

    def __init__(self, *, keep: bool = False) -> None:
        self.folder = ""
        self.hub = LoopbackHub()
        self.index = LoopbackIndex()
        self._keep = keep
        self._children: list[subprocess.Popen[str]] = []
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> Self:
        # A terminal that is closed, or a pipeline that is cancelled, must clean up as Ctrl-C does.
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                self._handlers[number] = signal.signal(number, _interrupt)
        self.folder = os.path.realpath(tempfile.mkdtemp(prefix="weighlock-demo-"))
        try:
            for project in ("project", "unguarded"):
                self._make_project(project)
            self.hub.__enter__()
            self.index.__enter__()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave()
        self.index.__exit__(kind, error, traceback)
        self.hub.__exit__(kind, error, traceback)

    @property
    def advisories(self) -> Path:
        """Where the advisory database of the demonstration lies."""
        return Path(self.folder, "advisories.sqlite")

    def path(self, *parts: str) -> str:
        """Return a path inside the folder."""
        return os.path.join(self.folder, *parts)

    def cached(self, project: str, repo: str) -> str:
        """Return the folder in which a project's Hub cache keeps a repository."""
        return self.path(project, "huggingface", "hub", "models--" + repo.replace("/", "--"))

    def run(self, *words: str, project: str = "project") -> Ended:
        """Run one command to its end."""
        (ended,) = self.run_all([Command(words, project)])
        return ended

    def run_all(self, commands: Iterable[Command]) -> Iterator[Ended]:
        """Run commands that do not depend on each other, two at once, and yield what came of them in their order."""
        running: deque[tuple[Command, subprocess.Popen[str]]] = deque()
        for command in commands:
            running.append((command, self._start(command)))
            if len(running) == _ABREAST:
                yield self._wait(*running.popleft())
        while running:
            yield self._wait(*running.popleft())

    def start(self, command: Command) -> subprocess.Popen[str]:
        """Start a command that goes on until it, or the stage, is ended."""
        return self._start(command)

    def said(self, child: subprocess.Popen[str]) -> str:
        """Return what a command wrote to standard output so far."""
        return self._text(f"{self._children.index(child)}.out")

    def _make_project(self, name: str) -> None:
        os.mkdir(self.path(name))
        for file in _PROJECT:
            text = resources.files("weighlock.demo.project").joinpath(file).read_text(encoding="utf-8")
            with open(self.path(name, file), "w", encoding="utf-8") as copy:
                copy.write(text)

    def _start(self, command: Command) -> subprocess.Popen[str]:
        program, *arguments = command.words
        words = [*self._program(program, command.project), *arguments]
        number = len(self._children)
        # Files, not pipes: a child never waits for someone to read what it prints.
        with (
            open(self.path(f"{number}.out"), "wb") as out,
            open(self.path(f"{number}.err"), "wb") as err,
        ):
            child = subprocess.Popen(  # noqa: S603 - our own interpreter
                words,
                cwd=self.path(command.project),
                env=self._environ(command),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                text=True,
            )
        self._children.append(child)
        return child

    def _program(self, program: str, project: str) -> list[str]:
        if os.sep in program:
            return [self.path(project, program)]
        return [sys.executable, *(["-m", program] if program in _MODULES else [])]

    def _wait(self, command: Command, child: subprocess.Popen[str]) -> Ended:
        try:
            code = child.wait(_TIMEOUT)
        except subprocess.TimeoutExpired:
            raise WeighlockError(f"did not end within {_TIMEOUT} seconds", where=f"`{command}`") from None
        number = self._children.index(child)
        return Ended(command, code, self._text(f"{number}.out"), self._text(f"{number}.err"))

    def _text(self, name: str) -> str:
        with open(self.path(name), encoding="utf-8", errors="backslashreplace") as file:
            return file.read()

    def _environ(self, command: Command) -> dict[str, str]:
        """Return an environment in which nothing of the user's is read, and nothing is written outside the folder."""
        environ = {
            name: value
            for name, value in os.environ.items()
            if name in _NEEDED or not (name.startswith(_FOREIGN) or name.lower().endswith("_proxy"))
        }
        paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and path != _BOOTSTRAP]
        if paths:
            environ["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, paths))
        home = self.path(command.project)
        # Where the guard is active in this environment, it must not judge what is meant to run without it.
        mode = "enforce" if command.words[:2] == ("weighlock", "run") else "off"
        lock = {"WEIGHLOCK_LOCK": os.path.join(home, "models.lock")} if mode == "enforce" else {}
        return {
            **environ,
            **lock,
            **{f"XDG_{kind}_HOME": os.path.join(home, "xdg") for kind in ("CACHE", "CONFIG", "DATA", "STATE")},
            "WEIGHLOCK_MODE": mode,
            "WEIGHLOCK_CACHE": os.path.join(home, "xdg"),
            "WEIGHLOCK_ADVISORIES": str(self.advisories),
            "WEIGHLOCK_ADVISORIES_URL": self.index.url("none"),
            "PIP_INDEX_URL": self.index.url(),
            "PIP_EXTRA_INDEX_URL": self.index.url(NIGHTLY),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_INPUT": "1",
            "NETRC": os.devnull,
            "HF_ENDPOINT": self.hub.endpoint,
            "HF_HOME": os.path.join(home, "huggingface"),
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "DISABLE_SAFETENSORS_CONVERSION": "1",
            "TRANSFORMERS_VERBOSITY": "error",
            "TORCH_HOME": os.path.join(home, "torch"),
            "OMP_NUM_THREADS": "1",
            "PYTHONUTF8": "1",
            "TMPDIR": self.folder,
        }

    def _leave(self) -> None:
        """End every child, then remove the folder; a second Ctrl-C waits until that is done."""
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            for child in self._children:
                if child.poll() is None:
                    child.kill()
                    child.wait()
            if not self._keep:
                shutil.rmtree(self.folder, ignore_errors=True)
        finally:
            for number, handler in {**self._handlers, signal.SIGINT: before}.items():
                signal.signal(number, handler)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
