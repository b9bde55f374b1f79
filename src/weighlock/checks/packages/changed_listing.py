"""An index that says one thing to the installer and another to weighlock.

## What it does

It compares the digest that the installer was given for a file with the digest under which every configured index lists
a file of that name now.

## Why it matters

An index, or something between here and there, that exchanges a file between two requests can show honest bytes to who
looks and other bytes to who installs. The install would be refused in any case, since only judged bytes are installed;
this says why, before anything is fetched, and that it is no accident to be tried again until it works.

## Known limits

A mirror that built the same wheel again under its name is found as well: the two files differ. Where the index gives
no digest there is nothing to compare until the bytes are here.

## Sources

PEP 503 and PEP 691 (digests of listed files); PEP 592 and PyPI's rule that a file name is never used twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.finding import Finding, Outcome, Severity
from weighlock.release import Candidate

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = Candidate


def run(candidate: Candidate) -> Iterator[Finding]:
    """Yield a finding for each index that lists the file with another digest."""
    artifact = candidate.release.artifact
    if artifact.digest is None or candidate.release.direct is not None:
        return
    for page in candidate.release.pages:
        for file in page.files:
            if file.filename == artifact.filename and file.sha256 not in {None, artifact.digest.value}:
                yield Finding(
                    check="changed-listing",
                    severity=Severity.CRITICAL,
                    message=(
                        f"the installer was given {artifact.filename} with the digest {artifact.digest.value[:12]}…, "
                        f"and {page.index} lists it with {str(file.sha256)[:12]}…"
                    ),
                    outcome=Outcome.REFUSED,
                )
