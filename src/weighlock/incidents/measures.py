"""How long detection, quarantine and refusal took, as the steps of a timeline say it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.incidents.timeline import LET_THROUGH, QUARANTINED, REFUSED, RELEASED, ROLLED_BACK, Times, count_uses

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, timedelta

    from weighlock.incidents.timeline import Denied, Step


def measure(steps: Sequence[Step], denials: Sequence[Denied], last_seen: Callable[[str], datetime | None]) -> Times:
    """Return how long it took.

    Args:
        steps: Of the timeline.
        denials: Of the quarantine list.
        last_seen: Returns the time of the latest entry of a host, about anything.
    """
    uses = [one for one in steps if one.is_use]
    quarantined = _earliest([one.first.time for one in steps if one.action == QUARANTINED] or [d.time for d in denials])
    stopped = [one.first.time for one in steps if one.action in {REFUSED, LET_THROUGH} and not one.rests]
    first_use = _earliest([one.first.time for one in uses])
    detected = _earliest(stopped, [quarantined] if quarantined else [])
    refused = back = None
    if quarantined is not None:
        moved = [one.first.time for one in steps if one.action == ROLLED_BACK]
        back = _earliest([time for time in moved if time >= quarantined])
        rules = [one for one in steps if one.action == REFUSED and not one.rests and "quarantined" in one.rules]
        refused = _earliest([one.first.time for one in rules if one.first.time >= quarantined])
    return Times(
        first_use=first_use,
        detected=detected,
        quarantined=quarantined,
        refused=refused,
        rolled_back=back,
        to_detect=_between(first_use, detected),
        to_quarantine=_between(detected, quarantined),
        to_refuse=_between(quarantined, refused),
        to_roll_back=_between(quarantined, back),
        after=_after(uses, steps, denials, quarantined),
        unseen=_unseen(uses, quarantined, last_seen),
    )


def _after(uses: Sequence[Step], steps: Sequence[Step], denials: Sequence[Denied], quarantined: datetime | None) -> int:
    """Return how often it was used in quarantine: steps never go over a deed, so that each is before or after it."""
    if quarantined is None:
        return 0
    if denials:
        return count_uses(one for one in uses if any(each.holds(one.first.time) for each in denials))
    released = [one.first.time for one in steps if one.action == RELEASED]
    end = max(released, default=None)
    return count_uses(one for one in uses if one.first.time >= quarantined and (end is None or one.first.time < end))


def _unseen(
    uses: Sequence[Step], quarantined: datetime | None, last_seen: Callable[[str], datetime | None]
) -> tuple[str, ...]:
    if quarantined is None:
        return ()
    hosts = {one.host for one in uses if one.first.time < quarantined}
    return tuple(sorted(one for one in hosts if (last_seen(one) or quarantined) <= quarantined))


def _earliest(*times: Sequence[datetime]) -> datetime | None:
    return min((one for some in times for one in some), default=None)


def _between(start: datetime | None, end: datetime | None) -> timedelta | None:
    """Return a time that went by; not one below nothing, by clocks that differ or what came in another order."""
    return end - start if start is not None and end is not None and end >= start else None
