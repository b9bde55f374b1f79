"""A name that more than one index serves, and nobody has said which one it belongs to: dependency confusion.

## What it does

It counts the configured indexes (and places of ``--find-links``) that have files of the project. Where there is more
than one, the policy must say which index owns the name (``indexes``); where it says so and another index serves the
chosen file, that is refused. Nothing is refused where every index lists the very same file under the same digest, nor
where the indexes say that they follow one of them.

## Why it matters

pip and others take the highest version from whichever index has it. Who registers the name of a private package on a
public index with version 99 gets it installed: torchtriton, December 2022, came from the public index to everybody who
installed the nightly builds of PyTorch from an index of their own.

## Known limits

Only configured indexes are asked: a private name that nobody registered yet is free for whoever comes first. A file
from a folder on this machine is reported and not refused where a public index has the name as well. What was named by
a URL or a path comes from no index. That an index follows another one is believed.

## Sources

PEP 708; ``docs/policy.md`` (``indexes``).
"""

from __future__ import annotations

import re
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from weighlock.finding import Finding, Outcome, Severity, listing
from weighlock.release import Candidate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from weighlock.release import ProjectPage, Release

STRUCTURE = Candidate


def run(candidate: Candidate) -> Iterator[Finding]:
    """Yield a finding where it is not settled which index the file has to come from."""
    release = candidate.release
    if release.direct is not None:
        return
    if not release.asked:
        yield _finding("no index was asked who serves this name", Outcome.UNVERIFIABLE)
        return
    if release.listed is None or release.served_by is None:
        yield _finding("no configured index lists exactly this file", Outcome.UNVERIFIABLE)
        return
    owner = _owner(release.artifact.name, candidate.surroundings.owners)
    found = _shared(release) if owner is None else _owned(release, owner)
    if found is not None:
        yield found


def _owner(name: str, owners: Mapping[str, str]) -> str | None:
    return next((url.rstrip("/") for pattern, url in owners.items() if _is_of(name, pattern.lower())), None)


def _is_of(name: str, pattern: str) -> bool:
    """Say whether a pattern, however it spells separators, has a canonical name: ``corp_*`` is ``corp-*``."""
    return fnmatchcase(name, pattern) or fnmatchcase(name, re.sub(r"[-_.]+", "-", pattern))


def _owned(release: Release, owner: str) -> Finding | None:
    serving = _url(release.served_by)
    if serving == owner or any(_url(page) == owner and _lists(page, release) for page in release.pages):
        return None
    return _finding(f"the policy says that this name belongs to {owner}, and the file comes from {serving}")


def _shared(release: Release) -> Finding | None:
    # An index that answers with an empty page serves nothing; some answer so for every name.
    pages = [page for page in release.pages if page.files]
    serving = {_url(page): None for page in [*([release.served_by] if release.served_by else []), *pages]}
    if len(serving) < 2 or _followed(pages):
        return None
    names = listing(list(serving))
    if all(_lists(page, release) for page in pages):
        return _finding(f"more than one index serves this very file: {names}", Outcome.DATA_ONLY)
    # A page of links on this machine can lead anywhere.
    here = release.listed is not None and release.listed.url.startswith("file:")
    if here and next(iter(serving)).startswith("file:"):
        return _finding(
            f"it comes from a folder on this machine, and others have the name too: {names}", Outcome.DATA_ONLY
        )
    told = f"more than one index serves this name, and the policy does not say which one owns it: {names}"
    return replace(_finding(told), index=_url(release.served_by))


def _lists(page: ProjectPage, release: Release) -> bool:
    """Say whether a page lists the chosen file with the digest that is known for it."""
    listed = release.listed
    known = release.artifact.digest.value if release.artifact.digest else listed.sha256 if listed else None
    return known is not None and any(
        file.filename == release.artifact.filename and file.sha256 == known for file in page.files
    )


def _followed(pages: Sequence[ProjectPage]) -> bool:
    """Say whether all pages but one say that they follow that one, as PEP 708 lets them."""
    for page in pages:
        project = f"{_url(page)}/{page.name}"
        others = [other for other in pages if _url(other) != _url(page)]
        if others and all(project in {url.rstrip("/") for url in other.tracks} for other in others):
            return True
    return False


def _url(page: ProjectPage | None) -> str:
    return page.index.rstrip("/") if page is not None else ""


def _finding(message: str, outcome: Outcome = Outcome.REFUSED) -> Finding:
    severity = Severity.INFO if outcome is Outcome.DATA_ONLY else Severity.HIGH
    return Finding(check="index-ownership", severity=severity, message=message, outcome=outcome)
