"""The ledger in a folder: a journal of what is new, tiles of what is sealed, and the signed checkpoint over them.

Sealing, step by step; whoever is killed in between, the next one begins again and comes to the same bytes:

1. What the journal holds is made durable, and nobody else seals.
2. Tiles and bundles are written, each once; one that is there already has to be the same.
3. The tree has to continue the last checkpoint of the key, and the one that is published.
4. The new checkpoint is signed and kept beside the key, so that this key never signs a second history.
5. It is published, and the journal forgets what is sealed.

Source:
    RFC 6962; C2SP ``tlog-tiles`` and ``tlog-checkpoint``; ``docs/formats/ledger.md``.
"""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from weighlock.errors import LedgerError, TamperedError
from weighlock.files import write_atomically
from weighlock.ledger import tree, verifier
from weighlock.ledger.journal import Journal
from weighlock.ledger.keys import sync_folder
from weighlock.ledger.spool import spool_of
from weighlock.ledger.tiles import Tiles, verified
from weighlock.ledger.verifier import TILE_WIDTH

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from weighlock.ledger.keys import LedgerKey
    from weighlock.ledger.tree import HashAt
    from weighlock.ledger.verifier import Checkpoint, Key

_LARGEST_NOTE = 1 << 20
_AT_ONCE = 64 * TILE_WIDTH
"""Entries that are sealed before the next ones are read."""


class FileLedger:
    """A ledger in a folder; see `weighlock.ledger.interface`.

    Args:
        folder: Made for this user alone where it is not there.
        key: Of the ledger; it is made when the first checkpoint is signed.
        host: The name of this machine, for the name of a new ledger.
    """

    def __init__(self, folder: str, key: LedgerKey, host: str = "host") -> None:
        self.folder, self.key, self._host = folder, key, host
        self.place, self.spool = folder, spool_of(folder)
        self._tiles, self._journal = Tiles(folder), Journal(folder, self.sealed)
        self._known = False
        self._notes: dict[tuple[bytes, bytes], Checkpoint] = {}

    def append(self, entries: Sequence[bytes]) -> range:
        """Add entries, durably: when this returns, they survive a power cut."""
        self._make_folder()
        if not self._known:
            self._require_not_rolled_back()
            self._known = True
        return self._journal.append(entries)

    def size(self) -> int:
        """Return how many entries there are, sealed or not."""
        return max(self.sealed(), self._journal.size())

    def sealed(self) -> int:
        """Return how many entries the published checkpoint is about; whether it is genuine, `checkpoint` finds."""
        note = self.published()
        if note is None:
            return 0
        return size_of(note, os.path.join(self.folder, "checkpoint"))

    def published(self) -> bytes | None:
        """Return the published checkpoint, or `None` where nothing was sealed."""
        try:
            path = os.path.join(self.folder, "checkpoint")
            return verified(lambda: verifier.read_regular(path, _LARGEST_NOTE)) if os.path.lexists(path) else None
        except LedgerError as error:
            error.where = self.folder
            raise

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield entries by their indices."""
        if not 0 <= start <= stop:
            raise LedgerError(f"there are no entries from {start} to {stop}", where=self.folder)
        with self._journal.frames() as (base, entries):  # before the checkpoint, which may only grow meanwhile
            sealed, index = self.sealed(), start
            while index < min(stop, sealed):
                number, place = divmod(index, TILE_WIDTH)
                part = self._tiles.entries(number, sealed)[place : place + min(stop, sealed) - index]
                yield from part
                index += len(part)
            if index >= stop:
                return
            if index < base:
                raise TamperedError(f"deleted: entry {index} is neither sealed nor in the journal", where=self.folder)
            for entry in islice(entries, index - base, stop - base):
                yield entry
                index += 1
        if index < stop:
            raise LedgerError(f"there is no entry {index}", where=self.folder)

    def seals(self) -> bool:
        """Say whether this host has the key: a folder is of one user of one host."""
        return True

    def checkpoint(self) -> bytes:
        """Seal everything that was appended, and return the signed note that says so."""
        self._make_folder()
        with self._journal.sealing():
            key = self.key.make(host=self._host)
            size, published = self._journal.settle(), self.published()  # 1
            before = self._verified(published, key.public) if published else None
            start = before.size if before else 0
            last = self.key.last()
            own = self._verified(last, key.public) if last else None
            earlier = [one for one in (before, own) if one is not None]
            require_as_long(earlier, size, self.folder)
            self._add_tiles(start, size)  # 2
            hash_at = self._tiles.hash_at(size)
            require_beginnings(earlier, hash_at, self.folder)  # 3
            if published is not None and size == start and last == published:
                return published
            note = key.checkpoint(size, tree.root(size, hash_at))
            self.key.remember(note)  # 4
            write_atomically(Path(self.folder) / "checkpoint", note, mode=0o644)  # 5
            sync_folder(self.folder)
            self._journal.trim(size)
            self._tiles.forget_partial(start, size)
            return note

    def root(self, size: int) -> bytes:
        """Return the root of the tree when it had that size, as the tiles have it."""
        self._require_sealed(size)
        return tree.root(size, self._tiles.hash_at(self.sealed()))

    def verify(self, key: Key, since: bytes | None) -> Checkpoint:
        """Verify every entry, every tile and the checkpoint, and that it continues an older one."""
        return verified(lambda: verifier.verify_folder(self.folder, key, since))

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """Return the proof that an entry is in the tree of that size."""
        self._require_sealed(size)
        return tree.inclusion_proof(index, size, self._tiles.hash_at(self.sealed()))

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Return the proof that the tree of the new size continues that of the old one."""
        self._require_sealed(new)
        return tree.consistency_proof(old, new, self._tiles.hash_at(self.sealed()))

    def _add_tiles(self, start: int, size: int) -> None:
        with self._journal.frames() as (base, entries):
            if start < size and base > start:
                raise TamperedError(f"rollback: entry {start} was sealed before, and is not now", where=self.folder)
            unsealed = islice(entries, start - base, None) if start > base else entries
            while start < size:
                part = list(islice(unsealed, min(_AT_ONCE, size - start)))
                if not part:
                    raise TamperedError(f"deleted: entry {start} is not in the journal any more", where=self.folder)
                self._tiles.add(start, part)
                start += len(part)

    def _require_sealed(self, size: int) -> None:
        if not 0 <= size <= self.sealed():
            raise LedgerError(f"{size} entries are not sealed", where=self.folder, hint="weighlock ledger checkpoint")

    def _require_not_rolled_back(self) -> None:
        last = self.key.last()
        if last is None:
            return
        key = self.key.read().public
        own = self._verified(last, key)
        if self.size() < own.size:
            raise TamperedError(
                f"rollback: the ledger has {self.size()} entries and had {own.size}",
                where=self.folder,
                hint="what is missing has to come back from a copy; nothing is added before that",
            )

    def _verified(self, note: bytes, key: Key) -> Checkpoint:
        """Return a checkpoint; the same bytes under the same key are verified once."""
        known = self._notes.get((note, key.public))
        if known is None:
            known = self._notes[note, key.public] = verified(lambda: verifier.verify_checkpoint(note, key))
        return known

    def _make_folder(self) -> None:
        try:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
        except OSError as error:
            raise LedgerError(f"cannot be made: {error.strerror}", where=self.folder) from None


def size_of(note: bytes, where: str) -> int:
    """Return the size that a checkpoint claims; whether it is genuine is for the key to say.

    Raises:
        TamperedError: It is no checkpoint.
    """
    size = note.split(b"\n", 2)[1:2]
    if not size or not size[0].isdigit() or len(size[0]) > 19:
        raise TamperedError("forged: it is no checkpoint", where=where)
    return int(size[0])


def require_as_long(earlier: Sequence[Checkpoint], size: int, where: str) -> None:
    """Demand that a ledger has every entry that was sealed before.

    Raises:
        TamperedError: It was put back to an older state.
    """
    if any(size < one.size for one in earlier):
        raise TamperedError(f"rollback: the ledger has {size} entries and had more", where=where)


def require_beginnings(earlier: Sequence[Checkpoint], hash_at: HashAt, where: str) -> None:
    """Demand that the tree begins with each of the earlier ones, before it is signed.

    Raises:
        TamperedError: It is a second history.
    """
    for one in earlier:
        if tree.root(one.size, hash_at) != one.root:
            kind = f"fork: the first {one.size} entries are not those of an earlier checkpoint"
            raise TamperedError(kind, where=where)
