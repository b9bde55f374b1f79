"""Names that are known to run, fetch or write what they are given.

## What it does

It reports every name of the standard library that plain data never needs, and the published gadgets of other
libraries.

## Why it matters

No model needs ``os.system``. A file that names it was made to run something.

## Known limits

The list of gadgets is never complete, and nothing rests on it: a name that it does not know needs an approval
all the same (`pickle-imports`).

## Sources

The advisories of picklescan, fickling and modelscan up to November 2026; arXiv 2508.19774.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.allowlist.trace import PickleTrace, Role
from weighlock.finding import Finding, Location, Outcome, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = PickleTrace


def run(trace: PickleTrace) -> Iterator[Finding]:
    """Yield one finding for each dangerous name."""
    for item in trace.imports.values():
        if item.role is Role.DANGEROUS:
            yield Finding(
                check="dangerous-imports",
                severity=Severity.CRITICAL,
                message=f"loading it imports {item.name}, which can run code or reach files and network",
                location=Location(offset=item.offset),
                outcome=Outcome.REFUSED,
                imports=(item.name,),
            )
