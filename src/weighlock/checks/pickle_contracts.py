"""Allowed names that are used as plain data never uses them.

## What it does

Each name on the allowlist has a contract: the arguments that real files give it, and the state that its objects
may be given. The check reports calls, states and uses that break it.

## Why it matters

Names that every checkpoint needs can be turned into tools: ``getattr`` reaches any attribute,
``torch.storage._load_from_bytes`` unpickles what it is given, a forged ``numpy.dtype`` turns bytes into pointers,
a state may shadow ``__setstate__``.

## Known limits

A future version of a library may write its data in a new way; such a file is refused until its contract is
written down.

## Sources

The ``__reduce__`` methods of CPython, NumPy, PyTorch and pandas; fickling GHSA-cffv-grgg-g429 (allowlisted names
that were shadowed).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.allowlist.trace import PickleTrace
from weighlock.finding import Finding, Location, Outcome, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = PickleTrace


def run(trace: PickleTrace) -> Iterator[Finding]:
    """Yield one finding for each broken contract."""
    for event in trace.breaches:
        yield Finding(
            check="pickle-contracts",
            severity=Severity.HIGH,
            message=event.message,
            location=Location(offset=event.offset),
            outcome=Outcome.REFUSED,
        )
