"""Two sources of advisories, compared: what one has and the other has not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from weighlock.advisories.pip_audit import NAME, pin_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from weighlock.advisories.interface import AdvisorySource, Status
    from weighlock.advisories.pip_audit import Audit, PipAudit
    from weighlock.advisory import Advisory
    from weighlock.release import AdvisedRelease


class Seconded:
    """An `AdvisorySource` whose answers about what is judged are compared with those of pip-audit.

    What is asked beside that, such as which upgrade would help, is asked of the first source alone: pip-audit sends
    every question over the network.

    Args:
        first: Such as the local database.
        second: Is asked by `advise`, about all packages at once.
    """

    def __init__(self, first: AdvisorySource, second: PipAudit) -> None:
        self.first = first
        self.second = second

    @property
    def status(self) -> Status:
        """What is known about the first source."""
        return self.first.status

    def query(self, packages: Sequence[tuple[str, str]]) -> Sequence[tuple[Advisory, ...]]:
        """Return the advisories that the first source has."""
        return self.first.query(packages)


def cross_checked(releases: Sequence[AdvisedRelease], audit: Audit) -> list[AdvisedRelease]:
    """Add what pip-audit says to what was said before: a problem, where it gave no answer.

    Args:
        releases: With the advisories of the local database.
        audit: What pip-audit said about the same packages.
    """
    both = []
    for release in releases:
        pin = pin_of(release.artifact.name, release.artifact.version)
        found = audit.found.get(pin)
        if found is None:
            problem = audit.problems.get(pin, f"{NAME} was not asked about it")
            both.append(replace(release, problem=release.problem or problem))
            continue
        ours, theirs = _unknown_to(found, release.advisories), _unknown_to(release.advisories, found)
        advisories = (*release.advisories, *theirs)
        both.append(replace(release, advisories=advisories, unconfirmed=tuple(advisory.id for advisory in ours)))
    return both


def _unknown_to(known: Sequence[Advisory], advisories: Sequence[Advisory]) -> tuple[Advisory, ...]:
    """Return the advisories of which no name is known."""
    names = frozenset().union(*(advisory.names for advisory in known))
    return tuple(advisory for advisory in advisories if not advisory.names & names)
