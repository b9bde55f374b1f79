"""Two sources of advisories, compared: what one has and the other has not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from weighlock.advisories.pip_audit import NAME, pin_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from weighlock.advisories.pip_audit import Audit
    from weighlock.advisory import Advisory
    from weighlock.release import AdvisedRelease


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What two sources say differently about one version of a package.

    Args:
        name: Of the project.
        version: That was asked about.
        ours: Advisories that only the first source has.
        theirs: Advisories that only the second one has.
    """

    name: str
    version: str
    ours: tuple[Advisory, ...] = ()
    theirs: tuple[Advisory, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossCheck:
    """What comes of asking pip-audit as well.

    Args:
        releases: With the advisories of both, and a problem where pip-audit gave no answer.
        differences: Of the packages about which both answered.
    """

    releases: tuple[AdvisedRelease, ...]
    differences: tuple[Difference, ...]


def cross_checked(releases: Sequence[AdvisedRelease], audit: Audit) -> CrossCheck:
    """Add what pip-audit says to what was said before.

    Args:
        releases: With the advisories of the local database.
        audit: What pip-audit said about the same packages.
    """
    both, differences = [], []
    for release in releases:
        artifact = release.artifact
        pin = pin_of(artifact.name, artifact.version)
        found = audit.found.get(pin)
        if found is None:
            problem = audit.problems.get(pin, f"{NAME} was not asked about it")
            both.append(replace(release, problem=release.problem or problem))
            continue
        theirs = unknown_to(release.advisories, found)
        ours = unknown_to(found, release.advisories)
        both.append(replace(release, advisories=(*release.advisories, *theirs)))
        if ours or theirs:
            differences.append(Difference(name=artifact.name, version=artifact.version, ours=ours, theirs=theirs))
    return CrossCheck(releases=tuple(both), differences=tuple(differences))


def unknown_to(known: Sequence[Advisory], advisories: Sequence[Advisory]) -> tuple[Advisory, ...]:
    """Return the advisories of which no name is known."""
    names = frozenset().union(*(advisory.names for advisory in known))
    return tuple(advisory for advisory in advisories if not advisory.names & names)
