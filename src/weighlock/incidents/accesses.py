"""What the ledger says, kept in the index: entries that differ in nothing but event and time are one row.

The index follows the ledger, step by step:

1. What was read before has to be the beginning of the ledger as it is now; otherwise everything is forgotten.
2. Entries are read by their numbers, and the tree over them is computed anew.
3. Where the ledger is sealed up to, that tree has to be the sealed one.

Source:
    RFC 6962, section 2.1, for the tree.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from weighlock.incidents.entries import Circumstance, Seen, read
from weighlock.incidents.frontier import Frontier
from weighlock.incidents.numbers import pack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from weighlock.incidents.index import Index
    from weighlock.ledger.interface import Ledger

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - times of entries are in UTC and have no time zone here
MICROSECOND = timedelta(microseconds=1)

_AT_ONCE = 100_000
"""Entries in one transaction: whoever is killed does not lose more than some seconds of work."""

_WRITTEN = frozenset({"written", "signed"})
_UPSERT = """
INSERT INTO access VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
count = count + excluded.count, first = min(first, excluded.first), last = max(last, excluded.last),
numbers = CAST(numbers || excluded.numbers AS BLOB)
"""
_DOCUMENT = """
INSERT INTO document VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET digest = excluded.digest, number = excluded.number
"""
_CIRCUMSTANCE = """
INSERT OR IGNORE INTO circumstance (gate, kind, actor, loader, verdict, enforced, rules) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
_NUMBER = """
SELECT id FROM circumstance
WHERE gate = ? AND kind = ? AND actor = ? AND loader = ? AND verdict = ? AND enforced = ? AND rules = ?
"""


class Seal(NamedTuple):
    """What a checkpoint signs.

    Args:
        size: How many entries the tree has.
        root: Of the tree.
    """

    size: int
    root: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """How far the index has read the ledger.

    Args:
        entries: That many.
        strange: How many of them are no entries that are known.
        sealed: How many are under the checkpoint.
        differs: The sealed ones are not those that the checkpoint is about.
    """

    entries: int
    strange: int
    sealed: int
    differs: bool = False


class _Row:
    """Entries that differ in nothing but event, size and time."""

    __slots__ = ("_first", "_last", "_numbers")

    def __init__(self, time: int, number: int) -> None:
        self._first = self._last = time
        self._numbers = [number]

    def add(self, time: int, number: int) -> None:
        """Take one more."""
        if time < self._first:
            self._first = time
        elif time > self._last:
            self._last = time
        self._numbers.append(number)

    def values(self) -> tuple[int, int, int, bytes]:
        """Return what is kept of them."""
        return len(self._numbers), self._first, self._last, pack(self._numbers)


class Accesses:
    """The part of an index that is made from a ledger.

    Args:
        index: That is open.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        self._circumstances: dict[Circumstance, int] = {}
        self._bases: dict[str, int] = {}

    def follow(self, ledger: Ledger, seal: Seal | None, progress: Callable[[int, int], None]) -> Followed:
        """Read what is new in a ledger, see the steps above.

        Args:
            ledger: That of this index.
            seal: What the verified checkpoint says; `None` where nothing is sealed.
            progress: Is told how many entries were read, and how many there are.

        Raises:
            LedgerError: It cannot be read, or is not as it was appended.
            sqlite3.Error: The index cannot be written or is broken.
        """
        size, sealed = ledger.size(), seal.size if seal is not None else 0
        differs = False
        self._begin(ledger, size, sealed)  # 1
        start = int(self._index.get("entries", 0))
        stops = {sealed, *range(start + _AT_ONCE, size, _AT_ONCE), size}
        for stop in sorted(stop for stop in stops if stop > start):  # 2
            tree = self._take(ledger, start, stop)
            if seal is not None and stop == sealed and tree.root() != seal.root:  # 3
                differs = True
            start = stop
            progress(stop, size)
        return Followed(entries=size, strange=int(self._index.get("strange", 0)), sealed=sealed, differs=differs)

    def _begin(self, ledger: Ledger, size: int, sealed: int) -> None:
        """Forget everything where the ledger is not what it was."""
        entries, tree = int(self._index.get("entries", 0)), self._tree()
        lost = None
        if entries > size:
            lost = f"the ledger had {entries} entries when it was read last, and has {size} now"
        elif entries and self._index.get("last") != _hash(ledger, entries - 1):
            lost = f"the ledger is another one than when it was read last: entry {entries - 1} is not what it was"
        elif entries and entries <= sealed and ledger.root(entries) != tree.root():
            lost = "the ledger is another one than when it was read last: its tree is another one"
        if lost is not None:
            before = self._index.get("lost")
            self._index.begin_anew(lost)
            self._forget()
            self._index.put("lost", before or lost)

    def _forget(self) -> None:
        """Forget numbers that may not be in the index any more."""
        self._circumstances.clear()
        self._bases.clear()

    def _tree(self) -> Frontier:
        return Frontier(int(self._index.get("entries", 0)), self._index.get("tree", b""))

    def _take(self, ledger: Ledger, start: int, stop: int) -> Frontier:
        self._forget()  # what a transaction made that was not carried out
        with self._index.transaction():
            tree, strange, last = self._tree(), int(self._index.get("strange", 0)), b""
            found: dict[tuple[int, int, int, int], _Row] = {}
            documents = []
            for number, last in enumerate(ledger.read(start, stop), start):
                tree.add(last)
                one = read(last)
                if one is None:
                    strange += 1
                    continue
                self._add(one, number, found)
                if one.circumstance.kind == "document" and one.digest:
                    documents.append((one, number))
            self._index.write(_UPSERT, ((*key, *found[key].values()) for key in sorted(found)))
            self._index.write(_DOCUMENT, _documents(documents))
            self._index.put("entries", stop)
            self._index.put("strange", strange)
            self._index.put("tree", tree.hashes)
            self._index.put("last", hashlib.sha256(last).digest())
        return tree

    def _add(self, one: Seen, number: int, found: dict[tuple[int, int, int, int], _Row]) -> None:
        word, time = self._index.word, (one.time - EPOCH) // MICROSECOND
        circumstance, basis = self._circumstance(one.circumstance), self._basis(one.evidence)
        key = word(one.digest), word(one.subject), circumstance, basis
        row = found.get(key)
        if row is None:
            found[key] = _Row(time, number)
        else:
            row.add(time, number)

    def _circumstance(self, one: Circumstance) -> int:
        number = self._circumstances.get(one)
        if number is None:
            self._index.add(_CIRCUMSTANCE, one)
            number = int(next(iter(self._index.rows(_NUMBER, one)))[0])
            if len(self._circumstances) > 1 << 18:
                self._circumstances.clear()
            self._circumstances[one] = number
        return number

    def _basis(self, evidence: str) -> int:
        number = self._bases.get(evidence)
        if number is None:
            self._index.add("INSERT OR IGNORE INTO basis (evidence) VALUES (?)", (evidence,))
            found = self._index.rows("SELECT id FROM basis WHERE evidence = ?", (evidence,))
            number = int(next(iter(found))[0])
            rests = [(self._index.word(bytes.fromhex(digest)), number) for digest in evidence.split()]
            self._index.write("INSERT OR IGNORE INTO evidence VALUES (?, ?)", rests)
            if len(self._bases) > 1 << 18:
                self._bases.clear()
            self._bases[evidence] = number
        return number


def _documents(found: Iterable[tuple[Seen, int]]) -> list[tuple[str, str, bytes, int]]:
    """Return rows about documents that were written or signed."""
    return [
        (one.subject, one.circumstance.actor.rpartition("@")[2], one.digest, number)
        for one, number in found
        if _WRITTEN & set(one.circumstance.rules.split("\n"))
    ]


def _hash(ledger: Ledger, number: int) -> bytes:
    return hashlib.sha256(next(iter(ledger.read(number, number + 1)))).digest()
