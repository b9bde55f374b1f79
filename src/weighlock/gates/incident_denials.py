"""What the quarantine lists of a project say about the subject of an incident: why it was denied, by whom, until when.

A list that does not verify says nothing here, and is a gap. Lists behind URLs are not asked: no report waits for one.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from weighlock.errors import UsageError, WeighlockError
from weighlock.gates.project import find_project
from weighlock.gates.watched_list import own_place
from weighlock.incidents.reach import DIGEST, MODEL, PACKAGE, Gap
from weighlock.incidents.timeline import QUARANTINED, RELEASED, Denied
from weighlock.quarantine import Denial, Release, folded_model, folded_package
from weighlock.quarantine_policy import is_url

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from weighlock.incidents.reach import Meaning, Reach
    from weighlock.incidents.timeline import Step
    from weighlock.quarantine import QuarantineList

_SECONDS = timedelta(seconds=3)
"""From the moment that stands in a list until the entry about it was written."""


def lists_of(
    environ: Mapping[str, str], lockfile: str | None, now: datetime, gaps: list[Gap], notes: list[str]
) -> tuple[QuarantineList, ...]:
    """Return the lists of the policy and that of this user, as far as they verify.

    Args:
        environ: The variables of the user.
        lockfile: Of the project.
        now: The time.
        gaps: Lists that do not verify are added to them.
        notes: Lists that are not asked are added to them.
    """
    from weighlock.gates.quarantine import Keeper

    project, found = find_project(environ, lockfile), []
    policy = project.policy
    for place in dict.fromkeys(
        (own_place(environ, policy.evidence.ledger, project.policy_path), *policy.quarantine.lists)
    ):
        if place is None:
            continue
        if is_url(place):
            notes.append(f"the quarantine list {place} was not asked: why it denies something is not told here")
            continue
        try:
            known = Keeper(project, environ, place, lambda: now).read()
        except (WeighlockError, OSError) as error:
            gaps.append(Gap(place=place, why=str(error), remedy="weighlock quarantine --show"))
            continue
        found += [known] if known is not None else []
    return tuple(found)


def meant(subject: str, lists: Sequence[QuarantineList]) -> tuple[str, tuple[str, ...]]:
    """Return what is looked for, and digests beside that; the id of a quarantine stands for what it denies.

    Raises:
        UsageError: No list has a quarantine of that id.
    """
    if not subject.startswith("Q-"):
        return subject, ()
    for known in lists:
        denial = known.denial(subject)
        if denial is not None:
            return denial.subject.value, denial.digests
    hint = "`weighlock quarantine --show` lists them"
    raise UsageError(f"there is no entry {subject[:100]}", where="quarantine lists", hint=hint)


def denials_about(lists: Sequence[QuarantineList], reach: Reach, steps: Sequence[Step]) -> tuple[Denied, ...]:
    """Return the denials that are about a subject, the earliest first.

    Args:
        lists: That verified.
        reach: What the subject means.
        steps: Of the timeline, which know the times more exactly.
    """
    found = [
        _denied(event, known, steps)
        for known in lists
        for event in known.events
        if isinstance(event, Denial) and _is_about(event, reach)
    ]
    return tuple(sorted(found, key=lambda one: one.time))


def _denied(denial: Denial, known: QuarantineList, steps: Sequence[Step]) -> Denied:
    released = [one.time for one in known.events if isinstance(one, Release) and one.of == denial.id]
    return Denied(
        id=denial.id,
        time=_recorded(denial.time, QUARANTINED, steps),
        reason=denial.reason,
        by=denial.by,
        released=_recorded(released[0], RELEASED, steps) if released else None,
        expires=denial.expires,
    )


def _recorded(time: datetime, action: str, steps: Sequence[Step]) -> datetime:
    """Return the time of the entry about a change of a list, which has whole seconds only."""
    found = [one.first.time for one in steps if one.action == action and time <= one.first.time < time + _SECONDS]
    return min(found, default=time)


def _is_about(denial: Denial, reach: Reach) -> bool:
    if not set(denial.digests).isdisjoint(reach.digests):
        return True
    return any(_names(denial, one) for one in reach.meanings)


def _names(denial: Denial, one: Meaning) -> bool:
    if one.kind == DIGEST:
        return one.name in denial.digests
    if one.kind == MODEL:
        return folded_model(one.name) in {folded_model(name) for name in denial.models}
    if one.kind == PACKAGE:
        name, version = folded_package(one.name)
        pairs = {folded_package(text) for text in denial.packages}
        return any(each == name and (not other or not version or other == version) for each, other in pairs)
    return denial.subject.value == one.name
