"""Writing a report about packages where a person wants it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from weighlock._cli._terminal import emit, takes_color, width

if TYPE_CHECKING:
    from weighlock.gates.packages import PackageReport


def emit_packages(report: PackageReport, form: str, output: str | None) -> None:
    """Write a report to standard output, where a terminal gets its width and colours, or to a file."""
    from weighlock.output import packages

    if form == "text" and output is None and sys.stdout.isatty():
        from weighlock.output.packages import text

        emit(text.render(report, width=width(), color=takes_color()), None)
    else:
        emit(packages.render(report, form), output)
