"""What an index knows about names and digests, as far as it comes from sources that are asked."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from weighlock.incidents.index import Index

_AT_ONCE = 500
"""Values in one statement; fewer than any version of SQLite takes."""

_ITEM = """
item.id, item.kind, name.word, item.version, item.parent, digest.word, item.size, item.detail,
source.kind, source.place, source.id
FROM {} CROSS JOIN word AS name ON name.id = item.name LEFT JOIN word AS digest ON digest.id = item.digest
CROSS JOIN source ON source.id = item.source CROSS JOIN live ON live.source = item.source
"""
_PLAIN = _ITEM.format("item")
_BY_KEY = _ITEM.format("key CROSS JOIN item ON item.id = key.item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """An item of the index.

    Args:
        id: Its number.
        kind: ``model``, ``file``, ``package``, ``component`` or ``promoted``.
        name: For people.
        version: The same.
        parent: The number of what it lies in.
        digest: ``sha256:…``; empty where it has none.
        size: Bytes.
        detail: What else is shown.
        source: The kind of the source that holds it.
        place: Of that source.
        source_id: Its number.
    """

    id: int
    kind: str
    name: str
    version: str
    parent: int | None
    digest: str
    size: int | None
    detail: dict[str, Any]
    source: str
    place: str
    source_id: int


class Search:
    """Searches an index.

    Args:
        index: That is open.
        sources: Numbers of the sources that are asked.
    """

    def __init__(self, index: Index, sources: Iterable[int]) -> None:
        self._index = index
        self._texts: dict[int, str] = {}
        for statement in (
            "CREATE TEMP TABLE IF NOT EXISTS live (source INTEGER PRIMARY KEY)",
            "CREATE TEMP TABLE IF NOT EXISTS wanted (word INTEGER PRIMARY KEY)",
            "DELETE FROM live",
        ):
            index.add(statement)
        index.write("INSERT INTO live VALUES (?)", [(number,) for number in sorted(set(sources))])

    def words(self, keys: Iterable[str | bytes]) -> set[int]:
        """Return the numbers of names and digests that something has."""
        return {number for key in keys if (number := self._index.known(key)) is not None}

    def starting(self, digits: str) -> list[bytes]:
        """Return some digests that begin with hexadecimal digits; three of them where there are more.

        Args:
            digits: In lower case.
        """
        low, high = bytes.fromhex(digits.ljust(64, "0")), bytes.fromhex(digits.ljust(64, "f"))
        statement = "SELECT word FROM word WHERE word >= ? AND word <= ? LIMIT 3"
        return [row[0] for row in self._index.rows(statement, (low, high))]

    def subjects(self, name: str, endings: Collection[str]) -> set[int]:
        """Return what entries of the ledger are about and is called so, or so with something behind it.

        Args:
            name: Exactly as it is written.
            endings: What may stand behind it, before more.
        """
        found = self.words([name])
        for ending in endings:
            low = name + ending
            high = low[:-1] + chr(ord(low[-1]) + 1)
            found |= {
                row[0] for row in self._index.rows("SELECT id FROM word WHERE word >= ? AND word < ?", (low, high))
            }
        return found

    def called(self, words: Iterable[int]) -> set[int]:
        """Return those of these names that entries of the ledger are about."""
        statement = "SELECT word FROM wanted WHERE EXISTS (SELECT 1 FROM access WHERE access.subject = wanted.word)"
        with self.wanting(words):
            return {row[0] for row in self._index.rows(statement)}

    def items(self, words: Iterable[int]) -> list[Hit]:
        """Return everything that has one of these names or digests."""
        return list(self._hits(f"SELECT DISTINCT {_BY_KEY} WHERE key.word IN", words))

    def children(self, items: Iterable[int]) -> list[Hit]:
        """Return everything that lies in these items."""
        return list(self._hits(f"SELECT {_PLAIN} WHERE item.parent IN", items))

    def parents(self, items: Iterable[Hit]) -> dict[int, Hit]:
        """Return what these items lie in, by its number."""
        numbers = {one.parent for one in items if one.parent is not None}
        return {one.id: one for one in self._hits(f"SELECT {_PLAIN} WHERE item.id IN", numbers)}

    def of_source(self, sources: Iterable[int], kind: str) -> list[Hit]:
        """Return all items of one kind of these sources."""
        found = self._hits(f"SELECT {_PLAIN} WHERE item.source IN", sources)
        return [one for one in found if one.kind == kind]

    def keys_of(self, items: Iterable[int]) -> dict[int, set[int]]:
        """Return the numbers of all names and digests of items, by the item."""
        found: dict[int, set[int]] = {}
        for some in _portions(items):
            marks = ", ".join("?" * len(some))
            for item, word in self._index.rows(f"SELECT item, word FROM key WHERE item IN ({marks})", some):  # noqa: S608 - marks
                found.setdefault(item, set()).add(word)
        return found

    def resting(self, words: Iterable[int], kind: str) -> list[tuple[int, Hit]]:
        """Return what was made from something, or needs it, with the number of the name that it is known by.

        Args:
            words: Names and digests of that.
            kind: ``ancestor`` or ``needs``.
        """
        found = []
        for some in _portions(words):
            marks = ", ".join("?" * len(some))
            statement = f"SELECT edge.word, edge.item FROM edge WHERE kind = ? AND word IN ({marks})"  # noqa: S608 - marks
            pairs = list(self._index.rows(statement, (kind, *some)))
            hits = {one.id: one for one in self._hits(f"SELECT {_PLAIN} WHERE item.id IN", {pair[1] for pair in pairs})}
            found += [(word, hits[item]) for word, item in pairs if item in hits]
        return found

    def text(self, word: int) -> str:
        """Return a name, or a digest as ``sha256:…``."""
        shown = self._texts.get(word)
        if shown is None:
            value = next(iter(self._index.rows("SELECT word FROM word WHERE id = ?", (word,))))[0]
            shown = self._texts[word] = f"sha256:{value.hex()}" if isinstance(value, bytes) else str(value)
        return shown

    @contextlib.contextmanager
    def wanting(self, words: Iterable[int]) -> Iterator[None]:
        """Have a table ``wanted`` with these numbers."""
        self._index.add("DELETE FROM wanted")
        self._index.write("INSERT INTO wanted VALUES (?)", [(word,) for word in sorted(set(words))])
        yield

    def _hits(self, statement: str, numbers: Iterable[int]) -> Iterator[Hit]:
        for some in _portions(numbers):
            marks = ", ".join("?" * len(some))
            for row in self._index.rows(f"{statement} ({marks})", some):
                id_, kind, name, version, parent, digest, size, detail, source, place, source_id = row
                yield Hit(
                    id=id_,
                    kind=kind,
                    name=str(name),
                    version=version,
                    parent=parent,
                    digest=f"sha256:{digest.hex()}" if digest else "",
                    size=size,
                    detail=json.loads(detail) if detail else {},
                    source=source,
                    place=place,
                    source_id=source_id,
                )


def _portions(numbers: Iterable[int]) -> Iterator[list[int]]:
    whole = sorted(set(numbers))
    return (whole[start : start + _AT_ONCE] for start in range(0, len(whole), _AT_ONCE))
