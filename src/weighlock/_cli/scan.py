"""``weighlock scan``: judge files where they lie."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

import click

from weighlock._cli._options import format_option, output_option
from weighlock._cli._terminal import emit, takes_color

if TYPE_CHECKING:
    from collections.abc import Callable

    from weighlock.gates.scan import Report

_PATIENCE = 1.0  # seconds before a progress bar is worth looking at


@click.command("scan", short_help="Judge files, folders, archives, a Hub cache.")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--profile", "profiles", multiple=True, metavar="NAME", help="Take a profile's names as approved.")
@click.option("--digests", is_flag=True, help="Compute the SHA-256 of every file.")
@click.option(
    "-j", "processes", type=click.IntRange(0, 256), default=1, metavar="N", help="Use N processes; 0 is one per core."
)
@format_option("text", "json", "sarif")
@output_option
def command(
    *, paths: tuple[str, ...], profiles: tuple[str, ...], digests: bool, processes: int, kind: str, output: str | None
) -> int:
    """Judge files, folders, archives and Hub caches, without a lockfile and without loading anything.

    Every file is inspected under every loader that would take its bytes, whatever its name says. A file
    that holds only data is ALLOW; one that needs classes, is dangerous or cannot be understood is DENY.
    Files that no loader would take are counted and not listed.

    \b
    Exit codes: 0 every file is ALLOW, 1 a file is DENY, 2 nothing could be judged.
    """
    from weighlock.gates.scan import Judge, scan

    meter = _Meter() if sys.stderr.isatty() else None
    try:
        report = scan(
            paths,
            Judge(profiles=profiles, digests=digests),
            processes=processes or os.cpu_count() or 1,
            progress=meter,
        )
    finally:
        if meter:
            meter.close()
    emit(_render(report, kind, to_terminal=output is None and sys.stdout.isatty()), output)
    return 0 if report.allowed else 1


def _render(report: Report, kind: str, *, to_terminal: bool) -> str:
    if kind == "json":
        from weighlock.output import json

        return json.render(report)
    if kind == "sarif":
        from weighlock.output import sarif

        return sarif.render(report)
    from weighlock.output import text

    if not to_terminal:
        return text.render(report)
    return text.render(report, width=_columns(), color=takes_color())


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80
    except OSError:
        return 80


class _Meter:
    """A progress bar on standard error, once the scan has taken a while."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._update: Callable[[int, int], None] | None = None
        self._close: Callable[[], None] | None = None

    def __call__(self, done: int, total: int) -> None:
        if self._update is None:
            if time.monotonic() - self._start < _PATIENCE:
                return
            self._show()
        if self._update:
            self._update(done, total)

    def close(self) -> None:
        """Take the bar off the screen."""
        if self._close:
            self._close()

    def _show(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        bar = Progress(
            TextColumn("judging"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        task = bar.add_task("judging", total=None)
        bar.start()
        self._update = lambda done, total: bar.update(task, completed=done, total=total)
        self._close = bar.stop
