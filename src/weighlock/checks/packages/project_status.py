"""A project that its index has put into quarantine, or that its owners have given up.

## What it does

It reads the status that every configured index gives for the project: ``quarantined`` is refused, ``archived`` and
``deprecated`` are reported, with the reason that is given.

## Why it matters

An index puts a project into quarantine when it is reported as malicious, before anybody has written an advisory. A
mirror may still have its files.

## Known limits

An index that does not say a status says nothing: that is not "active".

## Sources

PEP 792.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.finding import Finding, Outcome, Severity
from weighlock.release import Candidate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.release import ProjectPage

STRUCTURE = Candidate


def run(candidate: Candidate) -> Iterator[Finding]:
    """Yield a finding for each status that is not the ordinary one."""
    release = candidate.release
    pages = [*([release.served_by] if release.served_by else []), *release.pages]
    for (status, index), page in {(page.status, page.index): page for page in pages}.items():
        if status not in {None, "active"}:
            yield _finding(str(status), index, page)


def _finding(status: str, index: str, page: ProjectPage) -> Finding:
    why = f": {page.status_reason}" if page.status_reason else ""
    refused = status == "quarantined"
    return Finding(
        check="project-status",
        severity=Severity.CRITICAL if refused else Severity.LOW,
        message=f"{index} says that the project is {status}{why}",
        outcome=Outcome.REFUSED if refused else Outcome.DATA_ONLY,
    )
