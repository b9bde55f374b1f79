"""Names that a person has to approve.

## What it does

It lists the names that a pickle imports and that are neither on the exact allowlist of plain data nor known to be
dangerous: classes of libraries and of your own code, mostly.

## Why it matters

Loading a pickle imports these modules and calls these names with arguments that the file chose. Whether that is
harmless depends on the library. A person can know; a list cannot.

## Known limits

The check does not look into the classes. An approved class can do anything that its ``__setstate__``, ``__reduce__``
and constructor let the file ask for.

## Sources

The `pickle` documentation, "Restricting Globals"; arXiv 2508.15987 (policies for each library); arXiv 2508.19774.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.allowlist.trace import PickleTrace
from weighlock.finding import Finding, Location, Outcome, Severity, listing

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = PickleTrace


def run(trace: PickleTrace) -> Iterator[Finding]:
    """Yield one finding for all the names that need an approval."""
    unknown = sorted((item for item in trace.imports.values() if item.role is None), key=lambda item: item.name)
    if not unknown:
        return
    names = tuple(item.name for item in unknown)
    yield Finding(
        check="pickle-imports",
        severity=Severity.MEDIUM,
        message=f"loading it imports and may call {listing(names)}",
        location=Location(offset=min(item.offset for item in unknown)),
        outcome=Outcome.NEEDS_APPROVAL,
        imports=names,
    )
