"""A Python file that knows where people keep their credentials, of many kinds at once.

## What it does

It counts the places of credentials that a file names: keys of SSH, of cloud providers and of package indexes, tokens
of version control and containers, password stores, wallets, profiles of browsers, histories of shells. A file with
four kinds or more needs a person who accepts it.

## Why it matters

Whoever steals credentials goes through all the places where they may lie. A client of one service names one of them.

## Known limits

Only paths that stand in the text are seen; one that is put together is not. Tools that look for leaked credentials, or
that hide them in a sandbox, name them for a good reason.

## Sources

The reports about the litellm 1.82.8 and lightning 2.6.2 payloads (2026), which went through such lists. Among 298
popular wheels no file names four kinds, a few name three.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.finding import Finding, Location, Outcome, Severity, listing
from weighlock.formats.python.source import PythonFile

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = PythonFile

_MANY = 4


def run(file: PythonFile) -> Iterator[Finding]:
    """Yield a finding for a file that names many kinds."""
    if len(file.secrets) >= _MANY:
        yield Finding(
            check="credential-paths",
            severity=Severity.HIGH,
            message=f"it names where {len(file.secrets)} kinds of credentials lie: {listing(file.secrets)}",
            location=Location(members=(file.path,)),
            outcome=Outcome.NEEDS_APPROVAL,
        )
