"""Python of a package that could not be read, though a program would run it.

## What it does

It tells of Python files that could not be looked through: in an encoding that can hide what they say, of an absurd
size, nested too deeply, with names that lead in circles without an end, or with a syntax error although the text names
both something that executes and something that decodes. So it does of compiled files that Python runs without their
source: those outside of ``__pycache__``, and those in it that are bound to a digest of the source (PEP 552).

## Why it matters

A file that is skipped because it cannot be read is the best place to hide in.

## Known limits

A file with a syntax error that names nothing of the kind is passed over: templates, test data and files for Python 2
are common. Files for a newer Python than the one that judges them look like syntax errors too, so judge with the
newest version that you install for. Compiled files in ``__pycache__`` that are bound to the time of their source are
passed over, because an installation changes that time.

## Sources

PEP 263 (encodings), PEP 552 (compiled files). No file of 396 popular wheels has such an encoding; 2 have compiled
files, all of them bound to the time of their source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.finding import Finding, Location, Outcome, Severity
from weighlock.formats.python.source import PythonFile

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = PythonFile


def run(file: PythonFile) -> Iterator[Finding]:
    """Yield a finding for a file that could not be read."""
    if file.problem is None:
        return
    yield Finding(
        check="unread-python",
        severity=Severity.HIGH,
        message=f"it could not be looked through: {file.problem}",
        location=Location(members=(file.path,)),
        outcome=Outcome.UNVERIFIABLE,
    )
