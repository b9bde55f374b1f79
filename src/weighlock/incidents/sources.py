"""Which documents, environments and registries the index has read, and what they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from weighlock.incidents.index import Index
    from weighlock.incidents.things import Item

_KEPT = 30 * 86_400
"""Seconds; what nobody asked about for longer is forgotten, and read again when somebody does."""


class Source(NamedTuple):
    """A place as it was read.

    Args:
        id: Its number.
        kind: ``lockfile``, ``bill``, ``environment`` or ``promotions``.
        place: Where it is.
        stamp: What changes when it does.
        digest: Of its bytes; empty where it has none.
        problem: Why it could not be read; empty where it could.
        told: What there is to say about it.
    """

    id: int
    kind: str
    place: str
    stamp: str
    digest: bytes
    problem: str
    told: str


class Sources:
    """The sources of an index.

    Args:
        index: That is open.
        now: Seconds since the epoch.
    """

    def __init__(self, index: Index, now: int) -> None:
        self._index, self._now = index, now

    def find(self, kind: str, place: str) -> Source | None:
        """Return what was read of a place."""
        return next(self._found("kind = ? AND place = ?", kind, place), None)

    def holding(self, digest: bytes) -> Source | None:
        """Return a source that was read and has these bytes."""
        return next(self._found("digest = ? AND problem = ''", digest), None)

    def keep(self, found: Source, items: Iterable[Item]) -> Source:
        """Keep what was read, in place of what was read there before.

        Args:
            found: The source; its number does not count.
            items: What it holds.
        """
        self.forget(found.kind, found.place)
        number = self._index.add(
            "INSERT INTO source (kind, place, stamp, digest, problem, told, used) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (found.kind, found.place, found.stamp, found.digest, found.problem, found.told, self._now),
        )
        for item in items:
            self._add(number, item, None)
        return found._replace(id=number)

    def restamp(self, known: Source, stamp: str) -> Source:
        """Note that the same bytes have another stamp."""
        self._index.write("UPDATE source SET stamp = ? WHERE id = ?", [(stamp, known.id)])
        return known._replace(stamp=stamp)

    def used(self, numbers: Iterable[int]) -> None:
        """Note that sources were asked, and forget those that nobody asked for long."""
        self._index.write("UPDATE source SET used = ? WHERE id = ?", [(self._now, number) for number in numbers])
        old = self._index.rows("SELECT kind, place FROM source WHERE used < ?", (self._now - _KEPT,))
        for kind, place in list(old):
            self.forget(kind, place)

    def forget(self, kind: str, place: str) -> None:
        """Forget what was read of a place."""
        one = self.find(kind, place)
        if one is not None:
            inner = "(SELECT id FROM item WHERE source = ?)"
            self._index.write(f"DELETE FROM key WHERE item IN {inner}", [(one.id,)])  # noqa: S608 - a constant
            self._index.write(f"DELETE FROM edge WHERE item IN {inner}", [(one.id,)])  # noqa: S608 - a constant
            self._index.write("DELETE FROM item WHERE source = ?", [(one.id,)])
            self._index.write("DELETE FROM source WHERE id = ?", [(one.id,)])

    def _found(self, condition: str, *values: str | bytes) -> Iterator[Source]:
        statement = f"SELECT id, kind, place, stamp, digest, problem, told FROM source WHERE {condition}"  # noqa: S608 - ours
        return map(Source._make, self._index.rows(statement, values))

    def _add(self, source: int, item: Item, parent: int | None) -> None:
        word: Callable[[str | bytes], int] = self._index.word
        digest = word(bytes.fromhex(item.digest)) if item.digest else None
        row = (source, item.kind, word(item.name), item.version, parent, digest, item.size, item.text)
        number = self._index.add(
            "INSERT INTO item (source, kind, name, version, parent, digest, size, detail) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            row,
        )
        keys = {word(key) for key in item.keys}
        self._index.write("INSERT OR IGNORE INTO key VALUES (?, ?)", [(key, number) for key in sorted(keys)])
        edges = [(word(base), number, kind) for base, kind in item.bases]
        self._index.write("INSERT OR IGNORE INTO edge VALUES (?, ?, ?)", edges)
        for child in item.children:
            self._add(source, child, number)
