"""Opcodes in an order that no pickler writes.

## What it does

It reports what only a handmade stream does: names that are computed, numbers from the extension registry in place of
names, calls of the results of calls, changes to classes and modules, items put into foreign objects.

## Why it matters

Such streams exist to reach code while a scanner sees nothing.

## Known limits

A private pickler that registers extension codes with `copyreg` is reported as well; no published model needs it.

## Sources

fickling GHSA-mxhj-88fx-4pcv (OBJ), GHSA-5j3x-jp52-966f (dotted names), GHSA-6ggj-6f2q-f7mx (BUILD); PEP 307.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.allowlist.trace import PickleTrace
from weighlock.finding import Finding, Location, Outcome, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = PickleTrace


def run(trace: PickleTrace) -> Iterator[Finding]:
    """Yield one finding for each evasion."""
    for event in trace.evasions:
        yield Finding(
            check="pickle-evasion",
            severity=Severity.CRITICAL,
            message=event.message,
            location=Location(offset=event.offset),
            outcome=Outcome.REFUSED,
        )
