"""What a source of advisories says about package files, in the form in which checks read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.advisories.cross_check import Seconded, cross_checked
from weighlock.formats.pypi_versions import key
from weighlock.release import AdvisedRelease

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from weighlock.advisories.interface import AdvisorySource, Status
    from weighlock.artifact import PackageFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """Answers about some package files.

    Args:
        releases: One for each file, in their order.
        status: Of the source, for the report.
        warning: What a person should know about the source, in one sentence without a full stop.
    """

    releases: tuple[AdvisedRelease, ...]
    status: Status
    warning: str | None = None


def advise(source: AdvisorySource, artifacts: Sequence[PackageFile], *, now: datetime, most: timedelta) -> Advice:
    """Ask a source about package files.

    Args:
        source: Such as the local database, or `Seconded`.
        artifacts: The files.
        now: The time, with a time zone.
        most: The policy's ``advisory-max-age``; older answers are no answers. What they report still counts.
    """
    status = source.status
    problem = status.problem(now, most)
    found = source.query([(artifact.name, artifact.version) for artifact in artifacts])
    releases = [
        AdvisedRelease(artifact=artifact, advisories=advisories, problem=problem)
        for artifact, advisories in zip(artifacts, found, strict=True)
    ]
    if isinstance(source, Seconded):
        audit = source.second.audit([(artifact.name, artifact.version) for artifact in artifacts])
        releases = cross_checked(releases, audit)
    return Advice(releases=tuple(releases), status=status, warning=status.warning(now))


def fixes(source: AdvisorySource, changes: Mapping[str, tuple[str, str]]) -> frozenset[str]:
    """Return the names whose new version is the very one that fixes an advisory about the old one.

    Not every version that is free of it: a hostile release that comes after the fix is free of it as well, and would
    be installed the hour that it appears.

    Args:
        source: Such as the local database.
        changes: The installed and the new version, by name of the project.
    """
    names = list(changes)
    before = source.query([(name, changes[name][0]) for name in names])
    after = source.query([(name, changes[name][1]) for name in names])
    found = set()
    for name, old, new in zip(names, before, after, strict=True):
        still = {known for advisory in new for known in advisory.names}
        mended = (advisory for advisory in old if not advisory.names & still)
        if any(key(changes[name][1]) in map(key, advisory.fixed) for advisory in mended):
            found.add(name)
    return frozenset(found)
