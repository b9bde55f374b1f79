"""What the demonstration prints: 80 columns, understandable without colour and in a pipe."""

from __future__ import annotations

import re
import sys
import textwrap
from typing import TYPE_CHECKING

from weighlock.output.escape import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_WIDTH = 80
_BOLD, _RED = "1", "31"


class _Wrapper(textwrap.TextWrapper):
    """Breaks a path that is longer than a line behind a slash."""

    def _split(self, text: str) -> list[str]:
        words = re.split(r"(\s+)", text)
        return [
            part
            for word in words
            if word
            for part in (re.findall(r"[^/]*/|[^/]+", word) if len(word) > self.width - 2 else [word])
        ]


class Screen:
    """Writes to standard output, each line at once.

    Args:
        color: Whether the terminal takes colours.
    """

    def __init__(self, *, color: bool) -> None:
        self._color = color

    def heading(self, text: str) -> None:
        """Begin an act."""
        self._line("")
        self._line(text, _BOLD)

    def say(self, text: str) -> None:
        """Explain, in a paragraph of its own."""
        self._line("")
        for line in textwrap.wrap(text, _WIDTH - 2):
            self._line(f"  {line}")

    def item(self, text: str) -> None:
        """Add a line to a list."""
        for number, line in enumerate(textwrap.wrap(text, _WIDTH - 4)):
            self._line(f"  - {line}" if number == 0 else f"    {line}")

    def command(self, words: str) -> None:
        """Show what is run, as a user would type it."""
        self._line("")
        for number, line in enumerate(textwrap.wrap(words, _WIDTH - 8, break_on_hyphens=False)):
            self._line(f"    $ {line}" if number == 0 else f"        {line}", _BOLD)

    def output(self, text: str) -> None:
        """Show what a program printed, nothing left out, lines that are too long continued."""
        for line in text.splitlines():
            indent = " " * (len(line) - len(line.lstrip()))
            for piece in _Wrapper(_WIDTH - 4 - len(indent), subsequent_indent="  ").wrap(printable(line.strip())):
                self._line(f"    {indent}{piece}".rstrip())

    def alarm(self, text: str) -> None:
        """Say what went wrong."""
        self._line(f"    => {text}", _RED)

    def table(self, rows: Iterable[Sequence[str]], right: Sequence[bool]) -> None:
        """Print rows in columns, the first row as their headings; a wrong row is marked.

        Args:
            rows: Cells; the first cell may be long, and is then continued below.
            right: For each row but the first, whether it came out as it should.
        """
        self._line("")
        heading, *body = rows
        widths = [max(len(row[column]) for row in (heading, *body)) for column in range(len(heading))]
        widths[0] = min(widths[0], _WIDTH - 4 - sum(widths[1:]) - 2 * len(widths[1:]))
        self._row(heading, widths, _BOLD)
        self._line("  " + "  ".join("-" * width for width in widths))
        for row, good in zip(body, right, strict=True):
            self._row(row, widths, None if good else _RED, mark=" " if good else "!")

    def _row(self, row: Sequence[str], widths: Sequence[int], color: str | None, mark: str = " ") -> None:
        first, *more = textwrap.wrap(row[0], widths[0]) or [""]
        cells = [first, *row[1:]]
        text = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        self._line(f"{mark} {text}".rstrip(), color)
        for line in more:
            self._line(f"    {line}", color)

    def _line(self, text: str, color: str | None = None) -> None:
        if color and self._color and text:
            text = f"\x1b[{color}m{text}\x1b[0m"
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
