"""Quarantine for people and for programs: what it will stop, what was done, and what a list says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from weighlock.output.escape import inert, printable
from weighlock.output.json_text import json_text
from weighlock.quarantine import Denial, Release

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from weighlock.gates.quarantine import Changed
    from weighlock.gates.quarantine_plan import Plan
    from weighlock.quarantine import Event, QuarantineList

_IN_FORCE = "in force"
_MOST = 12
"""Rows of one kind in the text; JSON has all of them."""


def plan_text(plan: Plan, place: str) -> str:
    """Return what a quarantine will deny and stop."""
    reach = plan.reach
    lines = [f"{plan.subject.kind} {plan.subject.value} will be denied by {place}"]
    lines += _rows("digest", plan.digests)
    lines += _rows("model", plan.models)
    lines += _rows("package", plan.packages)
    lines += _rows("signer", plan.signers)
    lines.append("it will stop, at the next load or install:" if reach.found else "nothing that is known is using it")
    lines += _rows("locked model", plan.locked_models)
    lines += _rows("host", plan.hosts)
    lines += _rows("promoted", (f"{one.model} {one.version} ({one.stage}, {one.place})" for one in reach.promoted))
    lines += _rows("installed", (f"{one.name} {one.version} ({one.place})" for one in reach.installed))
    made = sorted({one.name for one in reach.derived})
    if made and not set(plan.digests).issuperset(digest for one in reach.derived for digest in one.digests):
        lines += _rows("made from it, and not denied without --derived", made)
    lines += [f"  not looked at: {gap.place}: {gap.why}" for gap in reach.gaps]
    return _text(lines)


def changed_text(changed: Changed, what: str) -> str:
    """Return what was done."""
    event = changed.known.events[-1] if changed.known.events and what != "refreshed" else None
    first = f"{what}: {event.id}" if event is not None else what
    return _text(
        [
            first,
            f"  list    {changed.place} ({_events(changed.known)}, {changed.digest})",
            f"  signed  {changed.who}, {_time(changed.known.issued)}",
            *(f"  still denied by {one.id}: {one.reason}" for one in _still(event, changed.known)),
        ]
    )


def _still(event: Event | None, known: QuarantineList) -> Iterator[Denial]:
    """Yield what denies something of a released entry all the same."""
    if not isinstance(event, Release):
        return
    denial = known.denial(event.of)
    released = _marks(denial) if denial is not None else set()
    for other in known.events:
        if isinstance(other, Denial) and state_of(other, known, known.issued) == _IN_FORCE and _marks(other) & released:
            yield other


def _marks(denial: Denial) -> set[str]:
    return {*denial.digests, *denial.models, *denial.packages, *denial.signers}


def list_text(known: QuarantineList, place: str, now: datetime) -> str:
    """Return what a list says, the newest last."""
    lines = [f"{place}: {_events(known)}, signed {_time(known.issued)}, list {known.id}"]
    for event in known.events:
        if isinstance(event, Release):
            lines.append(f"{event.id}  releases {event.of}: {event.reason} ({event.by}, {_time(event.time)})")
            continue
        until = "" if event.expires is None else f", until {_time(event.expires)}"
        lines.append(f"{event.id}  {state_of(event, known, now)}  {event.subject.kind} {event.subject.value}")
        lines.append(f"    {event.reason} ({event.by}, {_time(event.time)}{until})")
        lines.append(f"    {_counted(event)}")
    return _text(lines)


def plan_json(plan: Plan, place: str, changed: Changed | None) -> str:
    """Return what a quarantine denies and stops, and what was done; nothing was where it is a rehearsal."""
    reach = plan.reach
    document: dict[str, Any] = {
        "version": 1,
        "done": changed is not None,
        "list": place,
        "subject": {"kind": plan.subject.kind, "value": plan.subject.value},
        "digests": plan.digests,
        "models": plan.models,
        "packages": plan.packages,
        "signers": plan.signers,
        "stops": {
            "models": plan.locked_models,
            "hosts": plan.hosts,
            "promoted": [
                {"place": one.place, "model": one.model, "version": one.version, "stage": one.stage}
                for one in reach.promoted
            ],
            "installed": [{"place": one.place, "name": one.name, "version": one.version} for one in reach.installed],
            "derived": sorted({one.name for one in reach.derived}),
        },
        "gaps": [{"place": one.place, "why": one.why} for one in reach.gaps],
    }
    if changed is not None:
        document |= _changed(changed)
    return _json(document)


def changed_json(changed: Changed) -> str:
    """Return what was done."""
    return _json({"version": 1, "done": True, "list": changed.place, **_changed(changed)})


def list_json(known: QuarantineList, place: str, now: datetime) -> str:
    """Return what a list says."""
    events = [_event(event, known, now) for event in known.events]
    issued = known.issued.isoformat()
    return _json({"version": 1, "list": place, "id": known.id, "issued": issued, "events": events})


def state_of(denial: Denial, known: QuarantineList, now: datetime) -> str:
    """Return ``in force``, ``expired`` or ``released``."""
    if denial.id in known.released:
        return "released"
    return "expired" if denial.is_over(now) else _IN_FORCE


def _changed(changed: Changed) -> dict[str, Any]:
    last = changed.known.events[-1].id if changed.known.events else None
    return {
        "id": last,
        "digest": changed.digest,
        "events": len(changed.known.events),
        "signer": changed.who,
        "issued": changed.known.issued.isoformat(),
    }


def _event(event: Event, known: QuarantineList, now: datetime) -> dict[str, Any]:
    common = {"id": event.id, "time": event.time.isoformat(), "reason": event.reason, "by": event.by}
    if isinstance(event, Release):
        return {"event": "release", "of": event.of, **common}
    return {
        "event": "quarantine",
        "state": state_of(event, known, now),
        "subject": {"kind": event.subject.kind, "value": event.subject.value},
        "digests": event.digests,
        "models": event.models,
        "packages": event.packages,
        "signers": event.signers,
        "expires": None if event.expires is None else event.expires.isoformat(),
        **common,
    }


def _events(known: QuarantineList) -> str:
    return f"{len(known.events)} event{'' if len(known.events) == 1 else 's'}"


def _counted(denial: Denial) -> str:
    parts = (("file", denial.digests), ("model", denial.models), ("package", denial.packages))
    counted = [f"{len(some)} {name}{'' if len(some) == 1 else 's'}" for name, some in parts if some]
    if denial.signers:
        counted.append(f"signer {denial.signers[0]}")
    return ", ".join(counted)


def _rows(title: str, rows: Iterable[str]) -> Iterator[str]:
    found: Sequence[str] = tuple(dict.fromkeys(rows))
    for one in found[:_MOST]:
        yield f"  {title}: {one}"
    if len(found) > _MOST:
        yield f"  {title}: and {len(found) - _MOST} more"


def _time(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"


def _text(lines: Iterable[str]) -> str:
    return "\n".join(inert(printable(line)) for line in lines) + "\n"


def _json(document: dict[str, Any]) -> str:
    return json_text(document)
