"""Dependencies that are named by an address.

## What it does

It refuses a wheel whose METADATA demands something by a URL (``Requires-Dist: name @ https://…``) in place of a name
that the configured indexes serve, and one with a dependency that cannot be read as a requirement but holds an address.

## Why it matters

Such a dependency comes from wherever the author says, past every index and its rules. Where it leads to a source
archive or a repository, resolving it already runs code of it, also with ``--only-binary :all:``.

## Known limits

PyPI refuses such releases itself, so only other indexes and files serve them.

## Sources

The version specifiers specification, "Direct references". None of 396 popular wheels has one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement

from weighlock.finding import Finding, Outcome, Severity
from weighlock.formats.wheel import Wheel

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = Wheel

_ADDRESS = re.compile(r"@|[A-Za-z][A-Za-z0-9+.-]*:")


def run(wheel: Wheel) -> Iterator[Finding]:
    """Yield a finding for each such dependency."""
    for text in wheel.metadata.all("requires-dist") if wheel.metadata is not None else ():
        if "@" not in text and ":" not in text:
            continue
        try:
            by_address = Requirement(text).url is not None
        except InvalidRequirement:
            by_address = _ADDRESS.search(text) is not None
        if by_address:
            yield Finding(
                check="url-dependencies",
                severity=Severity.HIGH,
                message=f"it demands a dependency by its address: {text[:200]}",
                outcome=Outcome.REFUSED,
            )
