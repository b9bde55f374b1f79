"""Readings that could not be finished.

## What it does

It reports what kept a reading from its end: a budget that was spent, a compression that weighlock does not
unpack, data that break off.

## Why it matters

Not knowing is a reason to deny. What was not looked at is never called clean.

## Known limits

A format that weighlock does not know at all is not reported here; no guarded loader takes it.

## Sources

`docs/concepts.md`, "unverifiable".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.finding import Finding, Outcome, Severity
from weighlock.formats.obstacle import Obstacle

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = Obstacle


def run(obstacle: Obstacle) -> Iterator[Finding]:
    """Yield the finding about the obstacle."""
    yield Finding(
        check="unverifiable",
        severity=Severity.HIGH,
        message=f"it could not be judged as {obstacle.loader}: {obstacle.message}",
        outcome=Outcome.UNVERIFIABLE,
    )
