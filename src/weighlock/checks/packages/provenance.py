"""Who published a release, against who published the one before it.

## What it does

It compares the publisher in the verified attestations of a file with the publisher of the release that was admitted
here before. A release without attestations after one with them, and attestations that do not verify, are refused;
another repository or workflow needs an approval. That a project never had any is not a finding.

## Why it matters

Attestations say which repository and workflow built a file. Who steals a token, and not the repository, cannot make
them: ultralytics 8.3.45 and 8.3.46 came without, after releases that had them. Their presence alone says little, since
8.3.41 came through the project's own workflow.

## Known limits

The first release that is seen is believed. Without the extra ``weighlock[sign]`` attestations are reported as not
verified, and nothing is remembered. The memory is one of this machine, for each index.

## Sources

PEP 740; ``docs/provenance.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.finding import Finding, Outcome, Severity
from weighlock.release import Candidate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.release import Provenance, Publisher

STRUCTURE = Candidate


def run(candidate: Candidate) -> Iterator[Finding]:
    """Yield a finding where the publisher is not the one from before, or cannot be known."""
    told = candidate.release.provenance
    if told is None:
        return
    found = _attested(told) if told.publisher or told.problem else _unattested(told)
    if found is not None:
        yield found


def _attested(told: Provenance) -> Finding | None:
    if told.verified and told.publisher is not None:
        return _compared(told.publisher, told)
    if told.broken:
        return _finding(f"its attestations do not verify: {told.problem}", Outcome.REFUSED)
    why = told.problem or "nobody tried"
    if told.remembered is None:
        return _finding(f"its attestations were not verified: {why}", Outcome.DATA_ONLY)
    message = (
        f"release {told.remembered_version} was published by {told.remembered}, and who published this one could not"
    )
    return _finding(f"{message} be verified: {why}", Outcome.UNVERIFIABLE)


def _unattested(told: Provenance) -> Finding | None:
    if told.remembered is None:
        return None  # absence is what most projects have
    message = f"release {told.remembered_version} was published by {told.remembered}, with attestations"
    if told.known:
        return _finding(f"{message}, and this one has none", Outcome.REFUSED)
    return _finding(f"{message}, and the index says nothing about those of this one", Outcome.UNVERIFIABLE)


def _compared(publisher: Publisher, told: Provenance) -> Finding | None:
    before = told.remembered
    if before is None or _identity(before) == _identity(publisher):
        return None
    message = f"it was published by {publisher}, and release {told.remembered_version} by {before}"
    return _finding(message, Outcome.NEEDS_APPROVAL)


def _identity(publisher: Publisher) -> tuple[str, str, str | None]:
    # Forges do not tell upper from lower case in names; the environment is an additional lock, and not an identity.
    return publisher.kind.lower(), publisher.repository.lower(), publisher.workflow


def _finding(message: str, outcome: Outcome) -> Finding:
    severity = Severity.INFO if outcome is Outcome.DATA_ONLY else Severity.HIGH
    return Finding(check="provenance", severity=severity, message=message, outcome=outcome)
