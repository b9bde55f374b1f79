"""The ledger in a PostgreSQL database, for many hosts: each of them adds entries, and the one that has its key seals.

Sealing, in one transaction that nobody else's sealing can come between:

1. What was sealed last is verified by the key, and compared with what the key signed last.
2. Entries that came since are read, without a gap between them, and the hashes of the tree are continued.
3. The tree has to begin with both older ones.
4. The new checkpoint is signed and kept beside the key, so that this key never signs a second history.
5. It is published.

The database is a place to keep entries, and no proof: whoever may change its rows is found by the checkpoints.

Source:
    RFC 6962; ``docs/formats/ledger.md`` for the tables.
"""

from __future__ import annotations

import functools
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weighlock.errors import LedgerError, TamperedError
from weighlock.files import write_atomically
from weighlock.ledger import tree, verifier
from weighlock.ledger.database import transaction
from weighlock.ledger.store import require_as_long, require_beginnings, size_of
from weighlock.ledger.tiles import Tiles, verified
from weighlock.ledger.verifier import TILE_WIDTH, leaf_hash, root_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from weighlock.ledger.keys import LedgerKey
    from weighlock.ledger.verifier import Checkpoint, Key

_APPENDING, _SEALING = 0x7765_6967_6801, 0x7765_6967_6802
"""Advisory locks, held to the end of a transaction: indices have no gap, and one host seals at a time."""

_AT_ONCE = 16_384

_TABLES = """
    create table if not exists weighlock_entries (index bigint primary key, entry bytea not null);
    create table if not exists weighlock_tiles (
        level int, number bigint, hashes bytea not null, primary key (level, number));
    create table if not exists weighlock_checkpoints (size bigint primary key, note bytea not null);
"""


class PostgresLedger:
    """A ledger in a database; see `weighlock.ledger.interface`.

    Args:
        url: ``postgresql://…``; passwords come from where libpq looks for them.
        place: The address without what is nobody's business.
        key: Of the ledger. A host without it adds entries, and leaves the sealing to the host that has it.
        spool: The folder in which processes of this host record.
        host: The name of this machine, for the name of a new ledger.
    """

    def __init__(self, url: str, place: str, key: LedgerKey, *, spool: str, host: str = "host") -> None:
        self._url, self.key, self.spool, self._host = url, key, spool, host
        self.place = place

    def append(self, entries: Sequence[bytes]) -> range:
        """Add entries, durably: when this returns, they survive a power cut of the server."""
        if any(len(entry) > verifier.LARGEST_ENTRY for entry in entries):
            raise LedgerError(f"an entry has more than {verifier.LARGEST_ENTRY} bytes", where=self.place)
        with self._transaction() as database:
            self._make_tables(database)
            database.execute("select pg_advisory_xact_lock(%s)", (_APPENDING,))
            start = self._count(database)
            with database.cursor().copy("copy weighlock_entries (index, entry) from stdin (format binary)") as copy:
                copy.set_types(["int8", "bytea"])
                for index, entry in enumerate(entries, start):
                    copy.write_row((index, entry))
        return range(start, start + len(entries))

    def size(self) -> int:
        """Return how many entries there are, sealed or not; one whose commit is under way is waited for."""
        with self._transaction() as database:
            if not self._has_tables(database):
                return 0
            # Whoever lost its connection while it committed asks here what became of its entries.
            database.execute("select pg_advisory_xact_lock_shared(%s)", (_APPENDING,))
            return self._count(database)

    def sealed(self) -> int:
        """Return how many entries the published checkpoint is about; whether it is genuine, `checkpoint` finds."""
        note = self.published()
        return 0 if note is None else size_of(note, self.place)

    def published(self) -> bytes | None:
        """Return the published checkpoint, or `None` where nothing was sealed."""
        with self._transaction() as database:
            return _published(database) if self._has_tables(database) else None

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield entries by their indices."""
        if not 0 <= start <= stop:
            raise LedgerError(f"there are no entries from {start} to {stop}", where=self.place)
        while start < stop:
            with self._transaction() as database:
                part = self._entries(database, start, min(stop, start + _AT_ONCE))
            yield from part
            start += len(part)

    def seals(self) -> bool:
        """Say whether this host has the key: the first one that seals makes it."""
        return self._may_seal(self.published())

    def checkpoint(self) -> bytes:
        """Seal everything that was appended, and return the signed note that says so."""
        with self._transaction() as database:
            self._make_tables(database)
            database.execute("select pg_advisory_xact_lock(%s)", (_SEALING,))
            size, published = self._count(database), _published(database)
            if not self._may_seal(published):
                hint = "set WEIGHLOCK_LEDGER_KEY to the key of this ledger, or let the host seal that has it"
                raise LedgerError("this host has not the key that seals it", where=self.place, hint=hint)
            key = self.key.make(host=self._host)
            before = verified(lambda: verifier.verify_checkpoint(published, key.public)) if published else None  # 1
            last = self.key.last()
            own = verified(lambda: verifier.verify_checkpoint(last, key.public)) if last else None
            earlier = [one for one in (before, own) if one is not None]
            require_as_long(earlier, size, self.place)
            self._add_hashes(database, before.size if before else 0, size)  # 2
            hash_at = self._hash_at(database, size)
            require_beginnings(earlier, hash_at, self.place)  # 3
            if published is not None and before is not None and size == before.size and last == published:
                return published
            note = key.checkpoint(size, tree.root(size, hash_at))
            self.key.remember(note)  # 4
            # 5; of the same tree a key makes the same note, to the byte.
            database.execute("insert into weighlock_checkpoints values (%s, %s) on conflict do nothing", (size, note))
        return note

    def root(self, size: int) -> bytes:
        """Return the root of the tree when it had that size, as it was sealed."""
        with self._hashes(size) as hash_at:
            return tree.root(size, hash_at)

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """Return the proof that an entry is in the tree of that size."""
        with self._hashes(size) as hash_at:
            return tree.inclusion_proof(index, size, hash_at)

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Return the proof that the tree of the new size continues that of the old one."""
        with self._hashes(new) as hash_at:
            return tree.consistency_proof(old, new, hash_at)

    def verify(self, key: Key, since: bytes | None) -> Checkpoint:
        """Verify every entry under the published checkpoint, and that it continues an older one.

        Raises:
            TamperedError: It is not what was sealed.
            LedgerError: It cannot be read, or nothing was ever sealed.
        """
        note = self.published()
        if note is None:
            raise LedgerError("nothing was sealed yet: there is no checkpoint", where=self.place)
        now = verified(lambda: verifier.verify_checkpoint(note, key))
        leaves = [leaf_hash(entry) for entry in self.read(0, now.size)]
        if root_of(leaves) != now.root:
            raise TamperedError("edited: the entries are not those that the checkpoint signs", where=self.place)
        if since is not None:
            old = verified(lambda: verifier.verify_checkpoint(since, key))
            if old.origin != now.origin:
                raise TamperedError("swapped key: the older checkpoint is of another log", where=self.place)
            if old.size > now.size:
                raise TamperedError(f"rollback: it has {now.size} entries and had {old.size}", where=self.place)
            if root_of(leaves[: old.size]) != old.root:
                kind = f"fork: the first {old.size} entries are not those of the older checkpoint"
                raise TamperedError(kind, where=self.place)
        self._require_hashes(leaves)
        return now

    def _require_hashes(self, hashes: list[bytes]) -> None:
        """Demand that every tile holds what follows from the entries; proofs are made of them."""
        level = 0
        with self._transaction() as database:
            while hashes:
                parts = [hashes[place : place + TILE_WIDTH] for place in range(0, len(hashes), TILE_WIDTH)]
                for number, part in enumerate(parts):
                    if self._tile(database, level, number)[: len(part)] != part:
                        kind = f"edited: tile {number} of level {level} does not hold the hashes of the entries"
                        raise TamperedError(kind, where=self.place)
                hashes, level = [root_of(part) for part in parts if len(part) == TILE_WIDTH], level + 1

    def export(self, folder: str) -> int:
        """Write what is sealed into a folder, as the separate verifier reads it, and return how many entries it has.

        Raises:
            LedgerError: Nothing was sealed, or it cannot be written.
        """
        note = self.published()
        if note is None:
            raise LedgerError("nothing was sealed yet: there is no checkpoint", where=self.place)
        size, tiles = size_of(note, self.place), Tiles(folder)
        for start in range(0, size, _AT_ONCE):
            tiles.add(start, list(self.read(start, min(size, start + _AT_ONCE))))
            tiles.forget_partial(start, min(size, start + _AT_ONCE))
        write_atomically(Path(folder) / "checkpoint", note, mode=0o644)
        return size

    def _transaction(self) -> AbstractContextManager[Any]:
        return transaction(self._url, self.place)

    def _may_seal(self, published: bytes | None) -> bool:
        """Say whether the key of this host is that of the ledger; one that signed it before finds it when it is not."""
        if published is None or (self.key.exists() and self.key.last() is not None):
            return True
        if not self.key.exists():
            return False
        try:
            verifier.verify_checkpoint(published, self.key.read().public)
        except verifier.VerificationError:
            return False
        return True

    def _make_tables(self, database: Any) -> None:
        # Whoever may only add entries may not make tables, and finds them made.
        if not self._has_tables(database):
            database.execute("select pg_advisory_xact_lock(%s)", (_SEALING,))
            database.execute(_TABLES)

    def _has_tables(self, database: Any) -> bool:
        return database.execute("select to_regclass('weighlock_checkpoints')").fetchone()[0] is not None

    def _count(self, database: Any) -> int:
        return int(database.execute("select coalesce(max(index) + 1, 0) from weighlock_entries").fetchone()[0])

    def _entries(self, database: Any, start: int, stop: int) -> list[bytes]:
        query = "select index, entry from weighlock_entries where index >= %s and index < %s order by index"
        rows = database.execute(query, (start, stop)).fetchall()
        if [index for index, _ in rows] != list(range(start, stop)):
            have = {index for index, _ in rows}
            first = next(index for index in range(start, stop) if index not in have)
            raise TamperedError(f"deleted: there is no entry {first}", where=self.place)
        return [bytes(entry) for _, entry in rows]

    def _add_hashes(self, database: Any, start: int, size: int) -> None:
        """Continue the tiles of hashes; a tile that grows is written anew."""
        while start < size:
            stop = min(size, start + _AT_ONCE)
            hashes, level, first = [leaf_hash(one) for one in self._entries(database, start, stop)], 0, start
            while hashes:
                number, known = first // TILE_WIDTH, first % TILE_WIDTH
                whole = [*(self._tile(database, level, number)[:known] if known else []), *hashes]
                parts = [whole[place : place + TILE_WIDTH] for place in range(0, len(whole), TILE_WIDTH)]
                for place, part in enumerate(parts):
                    database.execute(
                        "insert into weighlock_tiles values (%s, %s, %s) "
                        "on conflict (level, number) do update set hashes = excluded.hashes",
                        (level, number + place, b"".join(part)),
                    )
                hashes = [root_of(part) for part in parts if len(part) == TILE_WIDTH]
                level, first = level + 1, number
            start = stop

    def _tile(self, database: Any, level: int, number: int) -> list[bytes]:
        query = "select hashes from weighlock_tiles where level = %s and number = %s"
        row = database.execute(query, (level, number)).fetchone()
        data = bytes(row[0]) if row else b""
        return [data[place : place + verifier.HASH_SIZE] for place in range(0, len(data), verifier.HASH_SIZE)]

    def _hash_at(self, database: Any, size: int) -> Callable[[int, int], bytes]:
        tile = functools.lru_cache(maxsize=64)(lambda level, number: self._tile(database, level, number))

        def hash_at(level: int, index: int) -> bytes:
            depth, step = divmod(level, 8)
            number, place = divmod(index << step, TILE_WIDTH)
            hashes = tile(depth, number)[place : place + (1 << step)]
            if len(hashes) != 1 << step:
                raise TamperedError(f"deleted: hashes of the first {size} entries are not there", where=self.place)
            return root_of(hashes)

        return hash_at

    @contextmanager
    def _hashes(self, size: int) -> Iterator[Callable[[int, int], bytes]]:
        if not 0 <= size <= self.sealed():
            raise LedgerError(f"{size} entries are not sealed", where=self.place, hint="weighlock ledger checkpoint")
        with self._transaction() as database:
            yield self._hash_at(database, size)


def _published(database: Any) -> bytes | None:
    row = database.execute("select note from weighlock_checkpoints order by size desc limit 1").fetchone()
    return None if row is None else bytes(row[0])
