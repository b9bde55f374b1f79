"""A release that its own project has withdrawn.

## What it does

It reports a file that its index, any other configured index or the installer itself says is yanked, with the reason
that was given.

## Why it matters

Yanking is how a project says "do not install this": a broken build, a leaked secret, a release that somebody else
made. Installers still take a yanked release where the version is asked for exactly; pip then prints one line of many.

## Known limits

Somebody has to yank it first. An index that does not carry the mark, as some mirrors do not, says nothing.

## Sources

PEP 592.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.finding import Finding, Outcome, Severity
from weighlock.release import Candidate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.release import Release

STRUCTURE = Candidate


def run(candidate: Candidate) -> Iterator[Finding]:
    """Yield a finding where anybody says that the file is yanked."""
    reason = _reason(candidate.release)
    if reason is not None:
        because = f": {reason}" if reason.strip() else ", and gave no reason"
        message = f"its project has withdrawn (yanked) this release{because}"
        yield Finding(check="yanked", severity=Severity.HIGH, message=message, outcome=Outcome.REFUSED)


def _reason(release: Release) -> str | None:
    """Return why it is yanked, which may be empty, or None where nobody says that it is."""
    listed = [file for page in release.pages for file in page.files if file.filename == release.artifact.filename]
    if release.listed is not None:
        listed.insert(0, release.listed)
    said = [file.yanked for file in listed if file.yanked is not None]
    if said:
        return next((reason for reason in said if reason.strip()), "")
    return "" if release.yanked else None
