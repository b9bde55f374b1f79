"""Quarantine lists as statements: the whole history in one signed document, in its one reading.

The events are a chain: its head stands for all of them and their order, so that whoever remembers the head of a list
can tell whether another one continues it.

Source:
    ``docs/formats/quarantine.md``; in-toto Attestation Framework, spec/v1/predicate.md.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from weighlock.errors import ForgedError
from weighlock.quarantine import KINDS, Denial, Event, QuarantineList, Release, Subject
from weighlock.signing.promotion_fields import read_time, time_text
from weighlock.signing.statement import Statement
from weighlock.signing.statement import Subject as Signed
from weighlock.signing.strict_json import canonical, fields, items, text

if TYPE_CHECKING:
    from collections.abc import Iterable

PREDICATE = "https://weighlock.dev/quarantine/v1"
START = "0" * 64
"""The head of a list without events."""

_PREDICATE = ("list", "number", "issued", "events")
_RELEASE = ("event", "id", "of", "time", "reason", "by")
_DENIAL = (
    *("event", "id", "time", "subject", "digests", "models", "packages", "signers"),
    *("reason", "expires", "by"),
)
_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,79}\Z")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
_MOST_EVENTS = 100_000
_MOST_NAMES = 500_000
"""Of one kind in one denial."""
_LONGEST = 2_000


def statement_of(known: QuarantineList) -> Statement:
    """Return the statement that is signed.

    Raises:
        ForgedError: No reader would take it, since something in it is too long, or too much.
    """
    predicate = {
        "list": known.id,
        "number": len(known.events),
        "issued": time_text(known.issued),
        "events": [_event_to_dict(event) for event in known.events],
    }
    return Statement(predicate_type=PREDICATE, subjects=(_subject(known),), predicate=predicate)


def read_list(statement: Statement) -> QuarantineList:
    """Read the list that a statement is; who signed it was verified before.

    Raises:
        ForgedError: It is none, or is not built as it has to be.
    """
    if statement.predicate_type != PREDICATE:
        raise ForgedError(f"is no quarantine list, but {statement.predicate_type[:80]!r}")
    where = "statement.predicate"
    said = fields(dict(statement.predicate), where, required=_PREDICATE)
    listed = items(said["events"], f"{where}.events")
    if type(said["number"]) is not int or said["number"] != len(listed):
        raise ForgedError(f"does not say how many events it has, {len(listed)}", where=f"{where}.number")
    if len(listed) > _MOST_EVENTS:
        raise ForgedError(f"has more than {_MOST_EVENTS} events", where=f"{where}.events")
    known = QuarantineList(
        id=_word(said["list"], f"{where}.list"),
        issued=read_time(said["issued"], f"{where}.issued"),
        events=tuple(_read_event(one, f"{where}.events[{number}]") for number, one in enumerate(listed)),
    )
    _require_order(known)
    if tuple(one.key for one in statement.subjects) != (_subject(known).key,):
        raise ForgedError("is about something else than its own events", where="statement.subject")
    return known


def head_of(events: Iterable[Event]) -> str:
    """Return what stands for some events and their order: 64 hexadecimal digits."""
    head = START
    for event in events:
        head = sha256(head.encode() + canonical(_event_to_dict(event))).hexdigest()
    return head


def require_continued(known: QuarantineList, number: int, head: str) -> None:
    """Demand that a list begins with what was seen of it before.

    Args:
        known: The list.
        number: How many events it had.
        head: Of those.

    Raises:
        ForgedError: It has fewer events, or others.
    """
    if len(known.events) < number:
        raise ForgedError(f"was rolled back: it has {len(known.events)} events, and had {number}")
    if head_of(known.events[:number]) != head:
        raise ForgedError(f"was forked: its first {number} events are not those that it had")


def _subject(known: QuarantineList) -> Signed:
    return Signed.sha256(f"quarantine list {known.id}", head_of(known.events))


def _require_order(known: QuarantineList) -> None:
    """Demand that no id stands twice, and that what is released was denied before, once."""
    seen: set[str] = set()
    open_: set[str] = set()
    for number, event in enumerate(known.events):
        where = f"statement.predicate.events[{number}]"
        if event.id in seen:
            raise ForgedError(f"has the id {event.id} a second time", where=where)
        seen.add(event.id)
        if isinstance(event, Denial):
            open_.add(event.id)
        elif event.of in open_:
            open_.remove(event.of)
        else:
            raise ForgedError(f"releases {event.of}, which was not denied or is released already", where=where)


def _event_to_dict(event: Event) -> dict[str, Any]:
    common = {"id": event.id, "time": time_text(event.time), "reason": event.reason, "by": event.by}
    if isinstance(event, Release):
        return {"event": "release", "of": event.of, **common}
    return {
        "event": "quarantine",
        "subject": {"kind": event.subject.kind, "value": event.subject.value},
        "digests": list(event.digests),
        "models": list(event.models),
        "packages": list(event.packages),
        "signers": list(event.signers),
        "expires": None if event.expires is None else time_text(event.expires),
        **common,
    }


def _read_event(value: Any, where: str) -> Event:
    kind = value.get("event") if isinstance(value, dict) else None
    if kind == "release":
        said = fields(value, where, required=_RELEASE)
        return Release(
            id=_word(said["id"], f"{where}.id"),
            of=_word(said["of"], f"{where}.of"),
            time=read_time(said["time"], f"{where}.time"),
            reason=_said(said["reason"], f"{where}.reason"),
            by=_said(said["by"], f"{where}.by"),
        )
    if kind != "quarantine":
        raise ForgedError("is neither quarantine nor release", where=f"{where}.event")
    return _read_denial(fields(value, where, required=_DENIAL), where)


def _read_denial(said: dict[str, Any], where: str) -> Denial:
    subject = fields(said["subject"], f"{where}.subject", required=("kind", "value"))
    if subject["kind"] not in KINDS:
        raise ForgedError(f"is none of {', '.join(KINDS)}", where=f"{where}.subject.kind")
    denial = Denial(
        id=_word(said["id"], f"{where}.id"),
        time=read_time(said["time"], f"{where}.time"),
        subject=Subject(kind=subject["kind"], value=_said(subject["value"], f"{where}.subject.value")),
        digests=_digests(said["digests"], f"{where}.digests"),
        models=_names(said["models"], f"{where}.models"),
        packages=_names(said["packages"], f"{where}.packages"),
        signers=_names(said["signers"], f"{where}.signers"),
        reason=_said(said["reason"], f"{where}.reason"),
        by=_said(said["by"], f"{where}.by"),
        expires=None if said["expires"] is None else read_time(said["expires"], f"{where}.expires"),
    )
    if not (denial.digests or denial.models or denial.packages or denial.signers):
        raise ForgedError("denies nothing", where=where)
    if denial.expires is not None and denial.expires <= denial.time:
        raise ForgedError("is over before it begins", where=f"{where}.expires")
    return denial


def _digests(value: Any, where: str) -> tuple[str, ...]:
    found = _list(value, where)
    if not all(isinstance(one, str) and _DIGEST.match(one) for one in found):
        raise ForgedError("holds something else than digests such as sha256:…", where=where)
    return tuple(found)


def _names(value: Any, where: str) -> tuple[str, ...]:
    return tuple(_said(one, f"{where}[{number}]") for number, one in enumerate(_list(value, where)))


def _list(value: Any, where: str) -> list[Any]:
    found = items(value, where)
    if len(found) > _MOST_NAMES:
        raise ForgedError(f"has more than {_MOST_NAMES} of them", where=where)
    return found


def _said(value: Any, where: str) -> str:
    said = text(value, where)
    if not said.strip() or len(said) > _LONGEST:
        raise ForgedError(f"is empty, or longer than {_LONGEST} characters", where=where)
    return said


def _word(value: Any, where: str) -> str:
    if not _ID.match(text(value, where)):
        raise ForgedError("is no id", where=where)
    return str(value)
