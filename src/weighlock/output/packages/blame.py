"""What a report says about one package: why it is refused, and what else was seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.finding import Outcome, Severity

if TYPE_CHECKING:
    from weighlock.finding import Finding
    from weighlock.gates.packages import Judged
    from weighlock.verdict import Reason

ORDER = tuple(Severity)
_NOTABLE = frozenset({Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL, Severity.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Blame:
    """A reason of a refusal and the finding that it rests on.

    Args:
        reason: Of the verdict.
        finding: Of a check; a verdict may have a reason of its own.
    """

    reason: Reason
    finding: Finding | None

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return self.finding.severity if self.finding else Severity.HIGH

    @property
    def rule(self) -> str:
        """What a report calls it: an advisory by its name, all else by the name of the check."""
        return rule_of(self.finding) if self.finding else self.reason.rule

    @property
    def sentence(self) -> str:
        """What was found, and where in the artifact."""
        return self.reason.message if self.finding is None else f"{told(self.finding)}{place_of(self.finding)}"


def blames(item: Judged) -> tuple[Blame, ...]:
    """Return every reason of a refusal, the gravest first; empty where the item may pass."""
    if item.verdict.allowed:
        return ()
    found = [Blame(reason, _finding_of(reason, item)) for reason in item.verdict.reasons]
    return tuple(sorted(found, key=lambda blame: -ORDER.index(blame.severity)))


def notes(item: Judged) -> tuple[Finding, ...]:
    """Return what was seen beside the reasons of a refusal, and is worth a line."""
    blamed = [blame.finding for blame in blames(item)]
    return tuple(
        finding for finding in item.findings if finding.severity in _NOTABLE and all(finding != one for one in blamed)
    )


def acceptances(item: Judged) -> tuple[Reason, ...]:
    """Return what the policy accepts of an item that passes."""
    return item.verdict.reasons if item.verdict.allowed else ()


def rule_of(finding: Finding) -> str:
    """Return what reports call a finding."""
    return finding.advisory.id if finding.advisory else finding.check


def told(finding: Finding) -> str:
    """Return its message, which names the advisory that it is about."""
    if finding.advisory is None or finding.advisory.id in finding.message:
        return finding.message
    return f"{finding.advisory.id}: {finding.message}"


def place_of(finding: Finding) -> str:
    """Return where in an artifact it is, for a sentence; empty where it is about the whole."""
    return f" (in {finding.location})" if finding.location.members else ""


def is_undecided(item: Judged) -> bool:
    """Say whether an item is refused for nothing but what could not be found out."""
    return not item.verdict.allowed and all(
        blame.finding is not None and blame.finding.outcome is Outcome.UNVERIFIABLE for blame in blames(item)
    )


def _finding_of(reason: Reason, item: Judged) -> Finding | None:
    return next(
        (
            finding
            for finding in item.findings
            if finding.message == reason.message and reason.rule in {finding.check, "unverifiable"}
        ),
        None,
    )
