"""Sentences that several forms of the report about packages share; none of them is escaped yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.finding import listing

if TYPE_CHECKING:
    from datetime import timedelta

    from weighlock.gates.packages import AdvisoriesStatus, PackageReport, Suggestion
    from weighlock.release import Origin


def summary_sentence(report: PackageReport) -> str:
    """Count the verdicts, and say of what."""
    denied = [item for item in report.judged if not item.verdict.allowed]
    what = _count(len(report.packages), "package")
    if report.files:
        what += f" and {_count(len(report.files), 'file')}"
    inputs = f" of {listing(report.inputs, 8)}" if report.inputs else ""
    return f"{what}{inputs}: {len(report.judged) - len(denied)} ALLOW, {len(denied)} DENY"


def age_sentence(status: AdvisoriesStatus) -> str:
    """Say which advisories were asked and how old they are."""
    if status.age is None:
        return f"advisories: {status.source}"
    old = ", update them with `weighlock advisories update`" if status.old else ""
    return f"advisories: {status.source}, {human_age(status.age)} old{old}"


def human_age(age: timedelta) -> str:
    """Say how long something lasted, in the unit that fits."""
    hours = int(age.total_seconds() // 3600)
    if hours < 1:
        return _count(max(int(age.total_seconds() // 60), 0), "minute")
    return _count(hours, "hour") if hours < 48 else _count(hours // 24, "day")


def upgrade_sentence(suggestion: Suggestion) -> str:
    """Say what to upgrade to and what that clears."""
    clears = listing(suggestion.clears)
    where = origin_text(suggestion.origin)
    start = f"{suggestion.name} {suggestion.version}"
    if suggestion.upgrade is None:
        return f"{start}: no version is known that is free of {clears}{_in(where)}"
    caution = f"; {suggestion.caution}" if suggestion.caution else ""
    return f"{start} to {suggestion.upgrade}, which clears {clears}{_in(where)}{caution}"


def origin_text(origin: Origin | None) -> str:
    """Say where a person wrote something; empty where nobody did or the command line has it."""
    if origin is None or origin.path is None:
        return ""
    line = "" if origin.line is None else f":{origin.line}"
    text = f" ({origin.text})" if origin.text else ""
    return f"{origin.path}{line}{text}"


def _in(where: str) -> str:
    return f", in {where}" if where else ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
