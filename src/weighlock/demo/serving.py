"""The program of the drill that loads a model again and again, and what it said when."""

from __future__ import annotations

import shutil
import time
from importlib import resources
from typing import TYPE_CHECKING, Self

from weighlock.demo.stage import Command

if TYPE_CHECKING:
    import subprocess
    from types import TracebackType

    from weighlock.demo.stage import Stage

_PATIENCE = 60.0
"""Seconds; starting Python on a machine that is busy takes some."""

_PAUSE = 0.02


class Serving:
    """A context manager that leaves no program running.

    Args:
        stage: Where.
        place: The folder in which it runs, relative to the stage.
        file: That it loads.
    """

    def __init__(self, stage: Stage, place: str, file: str) -> None:
        self._stage, self._place, self._file = stage, place, file
        self._child: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        with resources.as_file(resources.files("weighlock.demo.project") / "serve.py") as path:
            shutil.copy(path, self._stage.path(self._place, "serve.py"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end()

    def start(self) -> None:
        """Start the program under the guard."""
        self._child = self._stage.start(Command(("weighlock", "run", "serve.py", self._file), self._place))

    def end(self) -> None:
        """End it, where it runs."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None

    def wait(self, told: str, *, since: float) -> float | None:
        """Return when the program first said something after a time; `None` where it did not within a minute."""
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end and self._child is not None:
            found = [at for at, what in self._said() if what == told and at >= since]
            if found:
                return found[0]
            if self._child.poll() is not None:
                return None
            time.sleep(_PAUSE)
        return None

    def count(self, told: str, *, since: float) -> int:
        """Return how often the program said something after a time."""
        return sum(what == told and at >= since for at, what in self._said())

    def _said(self) -> list[tuple[float, str]]:
        assert self._child is not None  # noqa: S101 - for the type checker
        lines = self._stage.said(self._child).split("\n")[:-1]  # the last one may be half of one
        return [(float(at), what) for at, _, what in (line.partition(" ") for line in lines)]
