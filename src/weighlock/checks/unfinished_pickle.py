"""Pickles that break off, and pickles that are too large to be judged.

## What it does

It reports a pickle in which every unpickler would stop with an error, and one that was not judged to its end because
the budget for opcodes or memory was spent.

## Why it matters

What stands before the error has been executed when the error comes. A scanner that takes an error for "not a pickle"
calls such a file clean.

## Known limits

Bytes that fail at once, without having reached any code, are not reported: most files of other formats look
like that.

## Sources

picklescan GHSA-9gvj-pp9x-gcfr (errors behind a payload); arXiv 2508.19774 (exception-oriented bypasses).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.allowlist.trace import PickleTrace
from weighlock.finding import Finding, Location, Outcome, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = PickleTrace


def run(trace: PickleTrace) -> Iterator[Finding]:
    """Yield a finding where the pickle was not executed to its end."""
    message = trace.exhausted or (f"it is a broken pickle: {trace.failure}" if trace.failure else None)
    if message:
        yield Finding(
            check="unfinished-pickle",
            severity=Severity.HIGH,
            message=message,
            location=Location(offset=trace.end),
            outcome=Outcome.UNVERIFIABLE,
        )
