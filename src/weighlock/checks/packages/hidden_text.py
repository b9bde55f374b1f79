"""Python files whose text does not show what it is: it turns direction, is invisible, or stands far outside a window.

## What it does

It tells of characters that turn the direction of text, of four or more characters in a row that show nothing (tags and
variation selectors), and of code behind 150 blanks or more on one line. It informs.

## Why it matters

A reviewer reads something else than Python does: a comment that is code, a name that looks like another, a payload in
characters that no editor shows, a statement that no window is wide enough for.

## Known limits

Of 298 popular wheels one has direction marks and three have code that far to the right, all of them in data for
people's languages or in tables; hence nothing is refused for it. What such text decodes to and executes is judged by
``decodes-and-executes``.

## Sources

Boucher and Anderson, "Trojan Source: Invisible Vulnerabilities" (2021); CVE-2021-42574; the reports about packages
whose payload stood in variation selectors (2025).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.finding import Finding, Location, Severity, listing
from weighlock.formats.python.source import PythonFile

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = PythonFile


def run(file: PythonFile) -> Iterator[Finding]:
    """Yield a finding for each kind."""
    kinds = (
        ("characters that turn the direction of text", file.bidi, Severity.MEDIUM),
        ("many invisible characters in a row", file.invisible, Severity.HIGH),
        ("code behind so many blanks that it is out of sight", file.far, Severity.LOW),
    )
    for what, lines, severity in kinds:
        if lines:
            yield Finding(
                check="hidden-text",
                severity=severity,
                message=f"it has {what}, in line {listing([str(line) for line in lines])}",
                location=Location(members=(file.path,)),
            )
