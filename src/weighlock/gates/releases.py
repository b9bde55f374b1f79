"""What is said about releases before one byte of their files is fetched: by indexes, advisories and their publishers.

One sequence for all releases of a command:
    1. every configured index is asked for every name, all at once;
    2. the advisory database is asked for the version that is wanted, and for the one that is installed;
    3. who published a file is read from its attestations, where an index has some;
    4. every check of metadata turns that into findings.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from weighlock import checks
from weighlock.release import AdvisedRelease, Candidate, Surroundings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from weighlock.advisory import Advisory
    from weighlock.finding import Finding
    from weighlock.install_policy import InstallPolicy
    from weighlock.release import ProjectPage, Provenance, Release


class Advisories(Protocol):
    """A source of advisories."""

    def query(self, packages: Sequence[tuple[str, str]]) -> Sequence[tuple[Advisory, ...]]:
        """Return the advisories of each name and version, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """Where facts about releases come from.

    Args:
        advisories: The advisory database.
        ask: Returns the pages of every configured index for some names; `None` where nobody may be asked.
        provenance: Returns what is known about the publisher of a release that an index lists.
        installed: Version of every installed distribution, by canonical name.
        now: The time, with a time zone.
    """

    advisories: Advisories
    ask: Callable[[Sequence[str]], Mapping[str, tuple[ProjectPage, ...]]] | None = None
    provenance: Callable[[Release], Provenance] | None = None
    installed: Mapping[str, str] = field(default_factory=dict)
    now: datetime


def learn(
    releases: Sequence[Release], knowledge: Knowledge, policy: InstallPolicy
) -> list[tuple[Release, tuple[Finding, ...]]]:
    """Return each release with everything that was said about it, and the findings of that.

    Args:
        releases: As an installer or a file names them.
        knowledge: Where the facts come from.
        policy: What ages, licences and owners are measured against.

    Raises:
        SourceError: An index cannot be reached or answers nonsense, so nothing can be decided.
    """
    described = _described(releases, knowledge)
    advisories = knowledge.advisories.query([(one.artifact.name, one.artifact.version) for one in releases])
    earlier = _advisories_of_installed(releases, knowledge)
    learned = []
    for release, applying in zip(described, advisories, strict=True):
        surroundings = Surroundings(
            now=knowledge.now,
            min_age=policy.min_age,
            licenses=policy.licenses,
            owners=policy.indexes,
            installed=knowledge.installed,
            fixes_installed=_fixes(earlier.get(release.artifact.name, ()), applying),
        )
        found = [
            *checks.run(Candidate(release=release, surroundings=surroundings), checks.PACKAGES),
            *checks.run(AdvisedRelease(artifact=release.artifact, advisories=applying), checks.PACKAGES),
        ]
        learned.append((release, tuple(found)))
    return learned


def _described(releases: Sequence[Release], knowledge: Knowledge) -> list[Release]:
    """Add what indexes say: nobody is asked about a release that was named by a path or a URL."""
    names = sorted({release.artifact.name for release in releases if release.direct is None})
    answers = knowledge.ask(names) if knowledge.ask is not None and names else {}
    described = []
    for release in releases:
        pages = answers.get(release.artifact.name)
        if pages is None or release.direct is not None:
            described.append(release)
            continue
        told = replace(release, asked=True, pages=pages, served_by=_serving(release, pages))
        if knowledge.provenance is not None:
            told = replace(told, provenance=knowledge.provenance(told))
        described.append(told)
    return described


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


def _advisories_of_installed(releases: Sequence[Release], knowledge: Knowledge) -> dict[str, tuple[Advisory, ...]]:
    """Return the advisories of what is installed now and would be replaced."""
    replaced = [
        (release.artifact.name, knowledge.installed[release.artifact.name])
        for release in releases
        if knowledge.installed.get(release.artifact.name) not in {None, release.artifact.version}
    ]
    return {name: found for (name, _), found in zip(replaced, knowledge.advisories.query(replaced), strict=True)}


def _fixes(installed: Sequence[Advisory], applying: Sequence[Advisory]) -> bool:
    """Say whether an advisory of the installed version does not apply to the new one any more."""
    remaining = frozenset().union(*(advisory.names for advisory in applying))
    return any(not advisory.malware and not advisory.names & remaining for advisory in installed)
