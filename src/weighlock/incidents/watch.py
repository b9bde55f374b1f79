"""Which entries are about a subject: found in every entry of the ledger, and not in any index.

Most entries of a large ledger are about something else. They are passed over by their bytes, which have one form only;
whatever may be about the subject is read as any entry is.
"""

from __future__ import annotations

import json
import re
from array import array
from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from weighlock.incidents.accesses import EPOCH, MICROSECOND
from weighlock.incidents.entries import Circumstance, read
from weighlock.incidents.reach import MODEL, PACKAGE
from weighlock.incidents.timeline import DEEDS, Mark, Step, action_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from weighlock.incidents.entries import Seen
    from weighlock.incidents.reach import Meaning

_DIGESTS = re.compile(rb"sha256:([0-9a-f]{64})")
_MOST_NAMES = 3
_MOST_KINDS = 2_000
"""Different steps that are told apart; an attacker may have recorded as many as there are entries."""

_Key = tuple[str, Circumstance, bool]


class Watch:
    """Knows what entries about a subject look like.

    Args:
        digests: Of the files that it stands for, and of statements about it, ``sha256:…``.
        meanings: Its names.
        moved: Models of which it was a version in force: a rollback of one is about it.
    """

    def __init__(self, digests: Iterable[str], meanings: Iterable[Meaning], moved: Iterable[str] = ()) -> None:
        self._digests = {one.removeprefix("sha256:").encode() for one in digests}
        self._whole = {one.decode() for one in self._digests}
        self._moved = tuple(moved)
        named = [one for one in meanings if one.kind in {MODEL, PACKAGE}]
        self._models = [one.name for one in named if one.kind == MODEL]
        self._packages = [one.name for one in named if one.kind == PACKAGE]
        spelled = {_spelled(name.partition("==")[0]) for name in self._packages}
        spelled |= {
            form for name in (*self._models, *self._moved) for form in (_spelled(name), _spelled(quote(name, safe="/")))
        }
        self._names = tuple(spelled)

    def may_be(self, data: bytes) -> bool:
        """Say whether an entry may be about it, fast; where it is not, it is not."""
        if not self._digests.isdisjoint(_DIGESTS.findall(data)):
            return True
        return any(name in data for name in self._names)

    def is_about(self, seen: Seen) -> bool:
        """Say whether an entry is about it."""
        return seen.digest.hex() in self._whole or self._is_called(seen)

    def rests_on(self, seen: Seen) -> bool:
        """Say whether an entry names it as evidence."""
        return not self._whole.isdisjoint(seen.evidence.split())

    def _is_called(self, seen: Seen) -> bool:
        subject, circumstance = seen.subject, seen.circumstance
        if circumstance.kind == "package":
            return any(subject == one or subject.startswith(f"{one}==") for one in self._packages)
        if circumstance.gate == "rollback" and any(_is_model(subject, one) for one in self._moved):
            return True
        return any(_is_model(subject, one) for one in self._models)


@dataclass(slots=True)
class _Group:
    """Entries that say the same."""

    key: _Key
    times: array[int] = field(default_factory=lambda: array("q"))
    numbers: array[int] = field(default_factory=lambda: array("q"))
    names: dict[str, None] = field(default_factory=dict)
    digests: dict[str, None] = field(default_factory=dict)


class Events:
    """Collects the entries about a subject, however many they are.

    Args:
        watch: Knows them.
        covers: Says whether a time is asked for.
    """

    def __init__(self, watch: Watch, covers: Callable[[datetime], bool]) -> None:
        self._watch, self._covers = watch, covers
        self._groups: dict[_Key, _Group] = {}
        self._seen: dict[bytes, bytes] = {}
        self.dropped = 0

    def add(self, number: int, data: bytes) -> None:
        """Take one entry of the ledger, about whatever it is."""
        self._note_host(data)
        if not self._watch.may_be(data):
            return
        seen = read(data)
        if seen is None:
            return  # `where` says how many there are
        about = self._watch.is_about(seen)
        if (about or self._watch.rests_on(seen)) and self._covers(seen.time.replace(tzinfo=UTC)):
            self._take(number, seen, rests=not about)

    def last_seen(self, host: str) -> datetime | None:
        """Return the time of the latest entry of a host, about anything."""
        end = b"@" + _spelled(host)
        times = [time for actor, time in self._seen.items() if actor.endswith(end)]
        return datetime.fromisoformat(max(times).decode()) if times else None

    def steps(self) -> tuple[Step, ...]:
        """Return what happened, the earliest first; deeds of people divide what was done with it in between."""
        deeds = sorted(time for one in self._groups.values() if one.key[0] in DEEDS for time in one.times)
        found = [step for one in self._groups.values() for step in _divided(one, deeds)]
        return tuple(sorted(found, key=lambda one: (one.first.time, one.first.number)))

    def _take(self, number: int, seen: Seen, *, rests: bool) -> None:
        circumstance = seen.circumstance
        action = action_of(circumstance)
        # A change of the quarantine list names what it denies as its evidence: it is about that.
        key = (action, circumstance, rests and action not in DEEDS)
        group = self._groups.get(key)
        if group is None:
            if len(self._groups) >= _MOST_KINDS:
                self.dropped += 1
                return
            group = self._groups[key] = _Group(key)
        group.times.append((seen.time - EPOCH) // MICROSECOND)
        group.numbers.append(number)
        if len(group.names) < _MOST_NAMES:
            group.names[seen.subject] = None
        if seen.digest and len(group.digests) < _MOST_NAMES:
            group.digests[f"sha256:{seen.digest.hex()}"] = None

    def _note_host(self, data: bytes) -> None:
        if not data.startswith(b'{"actor":"'):
            return
        actor, begin = data[10 : data.find(b'",', 10)], data.rfind(b'"time":"') + 8
        time = data[begin : data.find(b'"', begin)]
        if time > self._seen.get(actor, b""):
            self._seen[actor] = time


def _divided(group: _Group, deeds: Sequence[int]) -> list[Step]:
    """Return the steps of a group: one for each deed, and one for the rest between two deeds."""
    action, circumstance, rests = group.key
    parts: dict[int, list[tuple[int, int]]] = {}
    for number, time in zip(group.numbers, group.times, strict=True):
        part = number if action in DEEDS else bisect_right(deeds, time)
        parts.setdefault(part, []).append((time, number))
    return [
        Step(
            action=action,
            gate=circumstance.gate,
            actor=circumstance.actor,
            loader=circumstance.loader,
            rules=tuple(circumstance.rules.split("\n")) if circumstance.rules else (),
            count=len(some),
            first=_mark(min(some)),
            last=_mark(max(some)),
            names=tuple(group.names),
            digests=tuple(group.digests),
            rests=rests,
        )
        for some in parts.values()
    ]


def _mark(pair: tuple[int, int]) -> Mark:
    return Mark(number=pair[1], time=(EPOCH + pair[0] * MICROSECOND).replace(tzinfo=UTC))


def _is_model(subject: str, name: str) -> bool:
    if subject == name or subject.startswith((f"{name}:", f"{name}/", f"{name}@")):
        return True
    registry, separator, rest = subject.partition(":")
    return bool(separator) and registry.isalpha() and rest.startswith(f"{quote(name, safe='/')}#")


def _spelled(name: str) -> bytes:
    """Return how a name is spelled in the bytes of an entry."""
    return json.dumps(name, ensure_ascii=False)[1:-1].encode("utf-8", "backslashreplace")
