"""What commands do with the terminal: reports, colours, and progress of transfers."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Self

import click

from weighlock.output.escape import printable

if TYPE_CHECKING:
    from types import TracebackType

_PATIENCE = 0.5
"""Seconds before a progress bar is worth looking at."""


def emit(text: str, output: str | None) -> None:
    """Write a report to standard output, or to a file, all or nothing."""
    if output is None:
        click.echo(text, nl=False)
        return
    from pathlib import Path

    from weighlock.files import unfinished_file_errors, write_atomically

    path = Path(output)
    if path.exists() and not path.is_file():  # a pipe or a device is written to, not replaced
        with unfinished_file_errors(path), path.open("w", encoding="utf-8") as file:
            file.write(text)
        return
    write_atomically(path, text.encode())


def takes_color() -> bool:
    """Whether standard output is a terminal that shows colours, and whoever reads it wants them."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


class TerminalProgress:
    """Bytes on a bar on standard error, if that is a terminal and it takes a while; a context manager."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None
        self._total = self._done = 0
        self._start = time.monotonic()
        self._lock = threading.Lock()
        self._terminal = sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._lock:
            if self._bar is not None:
                self._bar.stop()
                self._bar = None
            self._terminal = False

    def expect(self, size: int) -> None:
        """Make the whole larger."""
        with self._lock:
            self._total += size

    def advance(self, size: int) -> None:
        """Move the bar."""
        with self._lock:
            self._done += size
            if not self._terminal:
                return
            if self._bar is None and time.monotonic() - self._start > _PATIENCE:
                self._show()
            if self._bar is not None:
                self._bar.update(self._task, completed=self._done, total=max(self._total, self._done))

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        with self._lock:
            if self._bar is not None:
                self._bar.console.print(printable(line), markup=False, highlight=False)
            else:
                click.echo(printable(line), err=True)

    def _show(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

        self._bar = Progress(
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("", total=None)
        self._bar.start()
