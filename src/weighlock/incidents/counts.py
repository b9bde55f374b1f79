"""Entries of the ledger about something, counted: by whom, through what, how often, when, and after which denial."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from weighlock.incidents.numbers import first, runs, unpack
from weighlock.incidents.reach import Access, is_use

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from weighlock.incidents.index import Index
    from weighlock.incidents.search import Search

_MOST_RUNS = 50
_MOST_NAMES = 5
_MOST_NUMBERS = 20_000
"""Numbers of entries that are looked at one by one for the runs of one answer."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COLUMNS = """
SELECT gate, kind, actor, loader, verdict, enforced, digest, subject, circumstance, basis, count, first, last, numbers
FROM {} CROSS JOIN circumstance ON circumstance.id = access.circumstance
"""  # a cross join keeps the order: what is wanted first, and by an index everything about it
_ABOUT = _COLUMNS.format("wanted CROSS JOIN access ON access.digest = wanted.word")
_CALLED = _COLUMNS.format("wanted CROSS JOIN access ON access.subject = wanted.word")
_RESTING = _COLUMNS.format(
    "(SELECT DISTINCT evidence.basis AS base FROM wanted CROSS JOIN evidence USING (word)) "
    "CROSS JOIN access ON access.basis = base"
)
_CALLED_DIGESTS = """
SELECT DISTINCT access.digest FROM wanted CROSS JOIN access ON access.subject = wanted.word
CROSS JOIN circumstance ON circumstance.id = access.circumstance WHERE kind = ?
"""

_Key = tuple[str, str, str, str, str, int, bool, bool]


@dataclass(slots=True)
class _Sum:
    count: int = 0
    first: int = 1 << 62
    last: int = -(1 << 62)
    after: int = 0
    digests: set[int] = field(default_factory=set)
    subjects: dict[int, None] = field(default_factory=dict)
    numbers: list[int] = field(default_factory=list)


class Counts:
    """Counts entries, one question after the other, each entry once.

    Args:
        index: That is open.
        search: Of the same index.
    """

    def __init__(self, index: Index, search: Search) -> None:
        self._index, self._search = index, search
        self._sums: dict[_Key, _Sum] = {}
        self._taken: set[tuple[int, int, int, int]] = set()
        self._room = _MOST_NUMBERS

    def about(self, words: Iterable[int], *, derived: bool = False) -> None:
        """Count entries about artifacts with these digests."""
        self._count(_ABOUT, words, rests=False, derived=derived)

    def called(self, words: Iterable[int]) -> None:
        """Count entries about what has these names."""
        self._count(_CALLED, words, rests=False, derived=False)

    def resting(self, words: Iterable[int]) -> None:
        """Count entries that rest on documents with these digests."""
        self._count(_RESTING, words, rests=True, derived=False)

    def digests_called(self, words: Iterable[int], kind: str) -> set[int]:
        """Return the digests of artifacts of a kind that have these names."""
        with self._search.wanting(words):
            empty = self._index.known(b"")
            return {row[0] for row in self._index.rows(_CALLED_DIGESTS, (kind,))} - {empty}

    def result(self) -> tuple[Access, ...]:
        """Return what was counted, the latest first."""
        made = [self._access(key, found) for key, found in self._sums.items()]
        return tuple(
            sorted(made, key=lambda one: (one.rests, one.derived, -one.last.timestamp(), one.actor, one.loader))
        )

    def _count(self, statement: str, words: Iterable[int], *, rests: bool, derived: bool) -> None:
        with self._search.wanting(words):
            rows = list(self._index.rows(statement))
        denied = {} if rests else self._first_denials(rows)
        for *who, digest, subject, circumstance, basis, count, earliest, latest, numbers in rows:
            mark = (digest, subject, circumstance, basis)
            if mark in self._taken:
                continue
            self._taken.add(mark)
            key = (*who, rests, derived)
            found = self._sums.setdefault(key, _Sum())
            found.count += count
            found.first, found.last = min(found.first, earliest), max(found.last, latest)
            found.digests.add(digest)
            if len(found.subjects) < _MOST_NAMES:
                found.subjects[subject] = None
            if digest in denied and is_use(who[0], who[4], enforced=bool(who[5])):
                found.after += _after(denied[digest], numbers, count)
            if self._room > 0:
                self._room -= count
                found.numbers += unpack(numbers)[: self._room + count]

    def _first_denials(self, rows: list[tuple[Any, ...]]) -> dict[int, int]:
        """Return the number of the first denial of each digest; an entry without a digest is about nothing certain."""
        found: dict[int, int] = {}
        empty = self._index.known(b"")
        for row in rows:
            digest = row[6]
            if row[4] == "DENY" and digest != empty:
                found[digest] = min(found.get(digest, 1 << 62), first(row[13]))
        return found

    def _access(self, key: _Key, found: _Sum) -> Access:
        gate, kind, actor, loader, verdict, enforced, rests, derived = key
        return Access(
            gate=gate,
            kind=kind,
            actor=actor,
            loader=loader,
            verdict=verdict,
            enforced=bool(enforced),
            count=found.count,
            first=_time(found.first),
            last=_time(found.last),
            after_denial=found.after,
            digests=len(found.digests),
            names=tuple(self._search.text(word) for word in found.subjects),
            rests=rests,
            derived=derived,
            entries=tuple(runs(found.numbers)[:_MOST_RUNS]),
        )


def _after(denial: int, numbers: bytes, count: int) -> int:
    """Return how many entries come after a denial."""
    return count if first(numbers) > denial else sum(number > denial for number in unpack(numbers))


def _time(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


def hosts(accesses: Iterable[Access]) -> Iterator[tuple[str, list[Access]]]:
    """Yield each host with its accesses, the one with the latest first."""
    found: dict[str, list[Access]] = {}
    for one in accesses:
        found.setdefault(one.host, []).append(one)
    yield from sorted(found.items(), key=lambda pair: max(one.last for one in pair[1]), reverse=True)
