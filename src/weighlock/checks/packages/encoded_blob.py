"""A Python file with a long run of encoded data.

## What it does

It tells of 2,000 characters or more in a row that could be Base64. It informs.

## Why it matters

Payloads travel as text. So do pictures, fonts and certificates, which is why a run alone says little: what executes it
is judged by ``decodes-and-executes``, and new large files by ``new-in-release``.

## Known limits

Data in many short lines, or in an alphabet of its own, is not seen.

## Sources

Four of 298 popular wheels have such a run, for icons and tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.finding import Finding, Location, Severity
from weighlock.formats.python.source import PythonFile

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = PythonFile


def run(file: PythonFile) -> Iterator[Finding]:
    """Yield a finding for the longest run."""
    if file.blob:
        yield Finding(
            check="encoded-blob",
            severity=Severity.INFO,
            message=f"it has {file.blob} characters in a row that could be encoded data",
            location=Location(members=(file.path,)),
        )
