"""A package that was named by a URL, a repository or a path, and so comes past every index.

## What it does

It asks a person about every package that is fetched from a URL or from version control, whoever wrote the URL, and
about a path that a package, not the person, refers to. A local file that the person named is reported.

## Why it matters

Behind a URL there may be other bytes tomorrow; nobody can yank them, no advisory names them, and no index says how old
they are. A requirement such as ``name @ https://…`` inside the metadata of a package takes whoever installs it there.

## Known limits

It does not look at where the URL leads: the bytes are judged like those of any wheel.

## Sources

PEP 508 and PEP 610 (direct references).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.finding import Finding, Outcome, Severity
from weighlock.release import Candidate

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = Candidate

_KINDS = {"url": "a URL", "vcs": "version control", "file": "a path"}


def run(candidate: Candidate) -> Iterator[Finding]:
    """Yield a finding for whatever comes from no index."""
    release = candidate.release
    if release.direct is None:
        return
    place = release.artifact.url or release.artifact.filename
    whose = "" if release.requested else ", which nobody here asked for: another package refers to it"
    message = f"it comes from {_KINDS.get(release.direct, release.direct)} and not from an index{whose}: {place}"
    own = release.direct == "file" and release.requested
    yield Finding(
        check="direct-url",
        severity=Severity.INFO if own else Severity.MEDIUM,
        message=message,
        outcome=Outcome.DATA_ONLY if own else Outcome.NEEDS_APPROVAL,
    )
