"""Findings: what a check saw in an artifact. Facts, not judgements."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from weighlock.advisory import Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from weighlock.advisory import Advisory

__all__ = ["MOST_FINDINGS", "Finding", "Inspection", "Location", "Outcome", "Severity", "listing", "unverifiable"]


class Outcome(IntEnum):
    """What inspecting a file came to. The order is the order of precedence: the highest one of a file counts."""

    NOT_A_MODEL = 0
    DATA_ONLY = 1
    NEEDS_APPROVAL = 2
    UNVERIFIABLE = 3
    REFUSED = 4

    def __str__(self) -> str:
        return self.name.lower().replace("_", "-")


MOST_FINDINGS = 200
"""An inspection keeps this many findings; its outcome is that of all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where in an artifact.

    Args:
        members: The way through nested archives, outermost first.
        offset: Bytes from the start of the innermost member.
    """

    members: tuple[str, ...] = ()
    offset: int | None = None

    def __str__(self) -> str:
        path = "!".join(self.members)
        return path if self.offset is None else f"{path}@{self.offset}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a check saw.

    Args:
        check: The check's name with dashes, as in ``docs/checks.md``.
        severity: How bad it is.
        message: One sentence without a full stop, for people; may hold bytes of the artifact, escaped by `output`.
        location: Where.
        outcome: What this finding makes of the whole file.
        imports: Exact names (``module.name``) that the finding is about.
        advisory: What was published, where the finding is that an advisory applies.
        index: Whose file it is, where the finding is that nobody said which index owns the name.
    """

    check: str
    severity: Severity
    message: str
    location: Location = Location()
    outcome: Outcome = Outcome.DATA_ONLY
    imports: tuple[str, ...] = ()
    advisory: Advisory | None = None
    index: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """All that is known about the bytes of one artifact, under every loader that would accept them.

    Args:
        format: The loader's format that the bytes have first of all, or ``None`` where no loader takes them.
        outcome: The highest outcome of all findings.
        imports: Every name that a loader would import, ``module.name``, sorted; data-only names included.
        needs: The names among them that are not plain data and need an approval, sorted.
        foremost: The names among `needs` that it takes to read the bytes as what they begin as. Bytes may be something
            else as well, such as a zip behind an array, which nobody meant who saved the array.
        findings: In the order of their discovery.
    """

    format: str | None
    outcome: Outcome
    imports: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    foremost: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


def listing(names: Sequence[str], most: int = 5) -> str:
    """Return names for a sentence: the first ones, and how many more there are.

    Args:
        names: In their order.
        most: So many are named.
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def unverifiable(why: str) -> Inspection:
    """Return all that is known about bytes of which nothing could be learned.

    Args:
        why: One sentence without a full stop.
    """
    # The check of this name documents what such a finding means.
    finding = Finding(check="unverifiable", severity=Severity.HIGH, message=why, outcome=Outcome.UNVERIFIABLE)
    return Inspection(format=None, outcome=Outcome.UNVERIFIABLE, findings=(finding,))
