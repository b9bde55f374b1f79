"""GGUF files whose numbers do not fit.

## What it does

It holds every length, count, shape and offset of a GGUF file against the size of the file. Numbers that make a reader
in C count past the end of a machine word are refused. What breaks another rule of the format is unverifiable: data
that overlap or lie beyond the end, keys or tensors that stand twice, types and versions that nobody knows.

## Why it matters

GGUF files are read by C++ that believed such numbers more than once, and wrote past the end of its memory.

## Known limits

The values of the tensors, and metadata other than chat templates, are not judged.

## Sources

CVE-2024-21802, CVE-2024-21825, CVE-2024-21836, CVE-2024-23496 and CVE-2024-23605 (TALOS-2024-1912 to 1916);
the description of GGUF in ggml.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.finding import Finding, Outcome, Severity
from weighlock.formats.gguf import Gguf

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = Gguf

_SHOWN = 20


def run(file: Gguf) -> Iterator[Finding]:
    """Yield one finding for each number that does not fit."""
    for message in file.overflows:
        yield _finding(message, Severity.CRITICAL, Outcome.REFUSED)
    for message in file.oddities[:_SHOWN]:
        yield _finding(message, Severity.HIGH, Outcome.UNVERIFIABLE)


def _finding(message: str, severity: Severity, outcome: Outcome) -> Finding:
    return Finding(
        check="gguf-header", severity=severity, message=f"its GGUF header is not valid: {message}", outcome=outcome
    )
