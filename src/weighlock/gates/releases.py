"""What is said about releases before one byte of their files is fetched: by indexes, advisories and their publishers.

One sequence for all releases of a command:
    1. every configured index is asked for every name, all at once;
    2. the advisory database is asked for the version that is wanted, and for the one that is installed;
    3. who published a file is read from its attestations, where an index has some;
    4. every check of metadata turns that into findings.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from weighlock import checks
from weighlock.advisories.advice import advise, fixes
from weighlock.release import Candidate, Surroundings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from weighlock.advisories.interface import AdvisorySource
    from weighlock.finding import Finding
    from weighlock.install_policy import InstallPolicy
    from weighlock.release import ProjectPage, Provenance, Release

    Learned = tuple[Release, tuple[Finding, ...]]


_AT_ONCE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """Where facts about releases come from.

    Args:
        advisories: The advisory database.
        ask: Returns the pages of every configured index for some names; `None` where nobody may be asked.
        provenance: Returns what is known about the publisher of a release; it is called from several threads.
        installed: Version of every installed distribution, by canonical name.
        now: The time, with a time zone.
    """

    advisories: AdvisorySource
    ask: Callable[[Sequence[str]], Mapping[str, tuple[ProjectPage, ...]]] | None = None
    provenance: Callable[[Release], Provenance] | None = None
    installed: Mapping[str, str] = field(default_factory=dict)
    now: datetime


def learn(releases: Sequence[Release], knowledge: Knowledge, policy: InstallPolicy) -> list[Learned]:
    """Return each release with everything that was said about it, and the findings of that.

    Args:
        releases: As an installer or a file names them.
        knowledge: Where the facts come from.
        policy: What ages, licences and owners are measured against.

    Raises:
        SourceError: An index cannot be reached or answers nonsense, so nothing can be decided.
    """
    described = _described(releases, knowledge)
    files = [release.artifact for release in releases]
    advice = advise(knowledge.advisories, files, now=knowledge.now, most=policy.advisory_max_age)
    fixing = fixes(knowledge.advisories, _changes(releases, knowledge))
    learned = []
    for release, advised in zip(described, advice.releases, strict=True):
        surroundings = Surroundings(
            now=knowledge.now,
            min_age=policy.min_age,
            licenses=policy.licenses,
            owners=policy.indexes,
            installed=knowledge.installed,
            fixes_installed=release.artifact.name in fixing,
        )
        candidate = Candidate(release=release, surroundings=surroundings)
        found = [*checks.run(candidate, checks.PACKAGES), *checks.run(advised, checks.PACKAGES)]
        learned.append((release, tuple(found)))
    return learned


def _described(releases: Sequence[Release], knowledge: Knowledge) -> list[Release]:
    """Add what indexes say: nobody is asked about a release that was named by a path or a URL."""
    names = sorted({release.artifact.name for release in releases if release.direct is None})
    answers = knowledge.ask(names) if knowledge.ask is not None and names else {}
    told = [_on_its_page(release, answers.get(release.artifact.name)) for release in releases]
    if knowledge.provenance is None:
        return told
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="weighlock-provenance") as pool:
        known = pool.map(knowledge.provenance, told)
        return [replace(release, provenance=provenance) for release, provenance in zip(told, known, strict=True)]


def _on_its_page(release: Release, pages: tuple[ProjectPage, ...] | None) -> Release:
    if pages is None or release.direct is not None:
        return release
    return replace(release, asked=True, pages=pages, served_by=_serving(release, pages))


def _serving(release: Release, pages: Sequence[ProjectPage]) -> ProjectPage | None:
    """Return the page that lists exactly this file: by its URL, else by its name and digest."""
    artifact = release.artifact
    listed = [(page, file) for page in pages for file in page.files if file.filename == artifact.filename]
    for page, file in listed:
        if artifact.url is not None and file.url.partition("#")[0] == artifact.url.partition("#")[0]:
            return page
    for page, file in listed:
        if artifact.digest is not None and file.sha256 == artifact.digest.value:
            return page
    return None


def _changes(releases: Sequence[Release], knowledge: Knowledge) -> dict[str, tuple[str, str]]:
    """Return the installed and the new version of everything that would be replaced."""
    pairs = {
        release.artifact.name: (knowledge.installed.get(release.artifact.name), release.artifact.version)
        for release in releases
    }
    return {name: (old, new) for name, (old, new) in pairs.items() if old is not None and old != new}
