"""A name that can be taken for the name of a project that many people, or this environment, use.

## What it does

It compares a name that is not among the 15,000 most downloaded with the 2,000 most downloaded projects and with what is
installed: one letter left out, added, exchanged or swapped; other separators; letters that look the same; the same
words in another order; a word such as ``python`` or ``official`` added. Where the project is also young (its oldest
file is younger than 180 days, or the index does not say) or has fewer than five releases, a person must approve it. An
old project with many releases that happens to have such a name is reported.

## Why it matters

Most malicious packages bear the name of another one with a slip in it. They are found and removed within days, so
those that are met are young.

## Known limits

Names of fewer than five letters are not compared. A squatter that waits half a year, or buys an old project, is not
found by this. What is installed already, and what is named by a path, is not looked at. Of 112,000 projects with a
release within ten weeks, 340 (0.3 %) have a name that is one slip away from one of the 2,000; most of those are old.

## Sources

PEP 541 and PyPI's rules for names; the public reports of typosquats (colorama, tensorflow, requests and others).
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from weighlock.checks.packages._likeness import likeness
from weighlock.checks.packages._popular import known, targets
from weighlock.finding import Finding, Outcome, Severity
from weighlock.release import Candidate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from weighlock.release import Release

STRUCTURE = Candidate

_YOUNG = timedelta(days=180)
_FEW = 5


def run(candidate: Candidate) -> Iterator[Finding]:
    """Yield a finding for a name that looks like another one."""
    release, around = candidate.release, candidate.surroundings
    name = release.artifact.name
    if name in known() or name in around.installed or release.direct == "file":
        return
    other, how = _first(name, targets())
    whose = "which many people use"
    if how is None:
        other, how = _first(name, around.installed)
        whose = "which is installed"
    if how is not None:
        outcome = Outcome.NEEDS_APPROVAL if _is_new(release, around.now) else Outcome.DATA_ONLY
        yield Finding(
            check="look-alike-name",
            severity=Severity.HIGH if outcome is Outcome.NEEDS_APPROVAL else Severity.LOW,
            message=f"the name looks like {other}, {whose}: {how}",
            outcome=outcome,
        )


def _first(name: str, others: Iterable[str]) -> tuple[str, str | None]:
    for other in others:
        how = likeness(name, other)
        if how is not None:
            return other, how
    return "", None


def _is_new(release: Release, now: datetime) -> bool:
    """Say whether the project is young or has few releases, or nobody can say that it has not."""
    page = release.served_by
    if page is None:
        return True
    times = [file.uploaded for file in page.files if file.uploaded is not None]
    if not times or now - min(times) < _YOUNG:
        return True
    return len({_version(file.filename) for file in page.files}) < _FEW


def _version(filename: str) -> str:
    """Return what tells the releases of one project apart, from the name of a wheel or an sdist."""
    if filename.endswith(".whl"):
        return "-".join(filename.split("-")[1:2])
    return filename.removesuffix(".zip").removesuffix(".tar.gz").rpartition("-")[2]
