"""Objects that only the program that wrote the pickle can find.

## What it does

It reports persistent ids, except those that PyTorch writes for the storage of tensors and for the classes of
whole modules.

## Why it matters

What a persistent id becomes is decided by the code of the loader, which is not in the file. Nobody can say from the
file alone what loading it does.

## Known limits

Without a loader of their own, unpicklers fail at such an id; the file is unverifiable all the same.

## Sources

The `pickle` documentation, "Persistence of External Objects"; ``torch/serialization.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.allowlist.trace import PickleTrace
from weighlock.finding import Finding, Location, Outcome, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = PickleTrace


def run(trace: PickleTrace) -> Iterator[Finding]:
    """Yield one finding for each kind of persistent id."""
    for message, offset in {event.message: event.offset for event in reversed(trace.persistent)}.items():
        yield Finding(
            check="persistent-ids",
            severity=Severity.MEDIUM,
            message=message,
            location=Location(offset=offset),
            outcome=Outcome.UNVERIFIABLE,
        )
