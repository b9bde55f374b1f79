"""What commands do with the terminal: reports, colours, and progress of transfers."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Self

import click

from weighlock.errors import UsageError
from weighlock.output.escape import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from rich.progress import Progress, ProgressColumn
    from rich.status import Status

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


def require_place(output: str | None) -> None:
    """Refuse a place where no report can be written, before anything is done that the report would tell.

    Raises:
        UsageError: Its folder is not there or cannot be written, or it is a folder itself.
    """
    if output is None:
        return
    folder = os.path.dirname(os.path.abspath(output))
    if os.path.isdir(output):
        raise UsageError("is a folder, and the report is a file", where=output, hint="name a file in it")
    if not os.path.isdir(folder):
        raise UsageError("cannot be written: its folder is not there", where=output, hint=f"mkdir -p {folder}")
    if (os.path.isfile(output) or not os.path.exists(output)) and not os.access(folder, os.W_OK):
        raise UsageError("cannot be written: its folder is read-only", where=output, hint="name another place")


def takes_color() -> bool:
    """Whether standard output is a terminal that shows colours, and whoever reads it wants them."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def width() -> int:
    """Return how many columns standard output has."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80
    except OSError:
        return 80


class Stage:
    """Says on standard error what is being done, if that is a terminal; a context manager."""

    def __init__(self) -> None:
        self._status: Status | None = None
        self._wanted = sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None

    def __call__(self, what: str) -> None:
        """Say what is done now, in place of what was done before."""
        if not self._wanted:
            return
        if self._status is None:
            from rich.console import Console

            self._status = Console(stderr=True).status("")
            self._status.start()
        self._status.update(printable(what))

    def expect(self, size: int) -> None:
        """Ignore sizes: what is being done says enough."""

    def advance(self, size: int) -> None:
        """Ignore sizes."""

    def say(self, line: str) -> None:
        """Print a line above it."""
        if self._status is not None:
            self._status.console.print(printable(line), markup=False, highlight=False)
        else:
            click.echo(printable(line), err=True)


class Bar:
    """A progress bar on standard error, if that is a terminal and the work takes a while.

    Args:
        columns: Makes its parts; called once it is shown, so that nobody else waits for rich.
    """

    def __init__(self, columns: Callable[[], Sequence[ProgressColumn]]) -> None:
        self._columns = columns
        self._start = time.monotonic()
        self._wanted = sys.stderr.isatty()
        self._shown: Progress | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take the bar off the screen, for good."""
        self._wanted = False
        if self._shown is not None:
            self._shown.stop()
            self._shown = None

    def __call__(self, done: int, total: int) -> None:
        """Move the bar."""
        if self._shown is None and self._wanted and time.monotonic() - self._start > _PATIENCE:
            self._shown = self._show()
        if self._shown is not None:
            self._shown.update(self._shown.task_ids[0], completed=done, total=total)

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        if self._shown is not None:
            self._shown.console.print(printable(line), markup=False, highlight=False)
        else:
            click.echo(printable(line), err=True)

    def _show(self) -> Progress:
        from rich.console import Console
        from rich.progress import Progress

        bar = Progress(*self._columns(), console=Console(stderr=True), transient=True)
        bar.add_task("", total=None)
        bar.start()
        return bar


class TerminalProgress:
    """Bytes of transfers on a bar; a context manager that threads share."""

    def __init__(self) -> None:
        self._bar = Bar(_transfer_columns)
        self._total = self._done = 0
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._lock:
            self._bar.close()

    def expect(self, size: int) -> None:
        """Make the whole larger."""
        with self._lock:
            self._total += size

    def advance(self, size: int) -> None:
        """Move the bar."""
        with self._lock:
            self._done += size
            self._bar(self._done, max(self._total, self._done))

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        with self._lock:
            self._bar.say(line)


def _transfer_columns() -> Sequence[ProgressColumn]:
    from rich.progress import BarColumn, DownloadColumn, TimeRemainingColumn, TransferSpeedColumn

    return BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
