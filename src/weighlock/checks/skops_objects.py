"""skops files that need more than plain data.

## What it does

It reads the tree of ``schema.json`` and lists every class, function and method that building it imports and that is
neither a plain type nor an array: ``module.name``, so that profiles such as scikit-learn's apply. Names that are
known to be dangerous, and nodes that say one name and load another, are refused.

## Why it matters

skops asks its user to trust names, and older releases showed other names than those that they loaded. Its estimators
get a state that the file chose.

## Known limits

What an approved class does with its state is not judged. Arrays in the archive are judged as arrays of numpy.

## Sources

CVE-2025-54412 (OperatorFuncNode), CVE-2025-54413 (MethodNode), CVE-2025-54886 (`Card.get_model` falls back to joblib),
CVE-2024-37065 (``trusted=True``); `skops.io._audit`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.allowlist.skops import SkopsNeeds
from weighlock.finding import Finding, Outcome, Severity, listing

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = SkopsNeeds

_SHOWN = 5


def run(needs: SkopsNeeds) -> Iterator[Finding]:
    """Yield a finding for each kind of thing that the tree asks for."""
    if needs.lies:
        message = f"it says one name and loads another: {'; '.join(needs.lies[:_SHOWN])}"
        yield _finding(message, Severity.CRITICAL, Outcome.REFUSED, ())
    if needs.harmful:
        message = f"loading it imports {listing(needs.harmful)}, which no honest model needs"
        yield _finding(message, Severity.CRITICAL, Outcome.REFUSED, needs.harmful)
    if needs.names:
        message = f"loading it imports and may call {listing(needs.names)}"
        yield _finding(message, Severity.MEDIUM, Outcome.NEEDS_APPROVAL, needs.names)


def _finding(message: str, severity: Severity, outcome: Outcome, imports: tuple[str, ...]) -> Finding:
    return Finding(check="skops-objects", severity=severity, message=message, outcome=outcome, imports=imports)
