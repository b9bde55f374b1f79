"""Tiles of hashes and bundles of entries as files, as C2SP tlog-tiles lays them out: written once, never changed.

Source:
    C2SP ``tlog-tiles``.
"""

from __future__ import annotations

import functools
import os
import secrets
from typing import TYPE_CHECKING, TypeVar

from weighlock.errors import LedgerError, TamperedError
from weighlock.ledger import verifier
from weighlock.ledger.keys import sync_folder
from weighlock.ledger.verifier import TILE_WIDTH, leaf_hash, root_of, tile_path

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_Result = TypeVar("_Result")
_LARGEST = TILE_WIDTH * (verifier.LARGEST_ENTRY + 2)


class Tiles:
    """The tiles of one ledger folder.

    Args:
        folder: The ledger's.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._touched: set[str] = set()

    def entries(self, number: int, size: int) -> list[bytes]:
        """Return the entries of one bundle in a tree of that size.

        Raises:
            TamperedError: They are not there, or not as sealed.
        """
        width = min(TILE_WIDTH, size - number * TILE_WIDTH)
        return verified(lambda: verifier.read_bundle(self._folder, number, width))

    def hash_at(self, size: int) -> Callable[[int, int], bytes]:
        """Return what tells the hashes of complete subtrees in a tree of that size; see `weighlock.ledger.tree`."""

        @functools.lru_cache(maxsize=64)
        def tile(level: int, number: int) -> list[bytes]:
            width = min(TILE_WIDTH, (size >> 8 * level) - number * TILE_WIDTH)
            return verified(lambda: verifier.read_hashes(self._folder, level, number, width))

        def hash_at(level: int, index: int) -> bytes:
            depth, step = divmod(level, 8)
            number, place = divmod(index << step, TILE_WIDTH)
            return root_of(tile(depth, number)[place : place + (1 << step)])

        return hash_at

    def add(self, start: int, entries: Sequence[bytes]) -> None:
        """Write the tiles of a tree that grows, durably; what is written already has to be the same.

        Args:
            start: Its size before.
            entries: What comes after that.

        Raises:
            TamperedError: A tile is there, and another one.
            LedgerError: It cannot be written.
        """
        first = start // TILE_WIDTH
        before = self.entries(first, start) if start % TILE_WIDTH else []
        whole = [*before, *entries]
        for offset in range(0, len(whole), TILE_WIDTH):
            part = whole[offset : offset + TILE_WIDTH]
            bundle = b"".join(len(one).to_bytes(2, "big") + one for one in part)
            self._write(tile_path("entries", first + offset // TILE_WIDTH, len(part)), bundle)
        self._add_hashes(start, [leaf_hash(entry) for entry in entries])
        for folder in sorted(self._touched, key=len, reverse=True):
            sync_folder(folder)
        self._touched.clear()

    def forget_partial(self, before: int, now: int) -> None:
        """Remove parts of tiles that are full now."""
        level = 0
        while (before >> 8 * level) // TILE_WIDTH < (now >> 8 * level) // TILE_WIDTH:
            number = (before >> 8 * level) // TILE_WIDTH
            for kind in (level, "entries") if level == 0 else (level,):
                self._remove(f"{tile_path(kind, number)}.p")
            level += 1

    def _add_hashes(self, start: int, hashes: list[bytes]) -> None:
        level = 0
        while hashes:
            first, known = start // TILE_WIDTH, []
            if start % TILE_WIDTH:
                width, depth = start % TILE_WIDTH, level
                known = verified(lambda: verifier.read_hashes(self._folder, depth, first, width))  # noqa: B023 - called now
            whole, above = [*known, *hashes], []
            for offset in range(0, len(whole), TILE_WIDTH):
                part = whole[offset : offset + TILE_WIDTH]
                self._write(tile_path(level, first + offset // TILE_WIDTH, len(part)), b"".join(part))
                above += [root_of(part)] * (len(part) == TILE_WIDTH)
            start, hashes, level = first, above, level + 1

    def _write(self, name: str, data: bytes) -> None:
        path = os.path.join(self._folder, *name.split("/"))
        folder = os.path.dirname(path)
        try:
            if os.path.lexists(path):
                if verified(lambda: verifier.read_regular(path, _LARGEST)) != data:
                    raise TamperedError("edited: it is there already, and holds something else", where=path)
                return
            os.makedirs(folder, mode=0o755, exist_ok=True)
            temporary = f"{path}.{secrets.token_hex(4)}.new"
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except OSError as error:
            raise LedgerError(f"cannot be written: {error.strerror}", where=path) from None
        while len(folder) > len(self._folder):
            self._touched.add(folder)
            folder = os.path.dirname(folder)
        self._touched.add(self._folder)

    def _remove(self, name: str) -> None:
        import shutil

        shutil.rmtree(os.path.join(self._folder, *name.split("/")), ignore_errors=True)


def verified(read: Callable[[], _Result]) -> _Result:
    """Return what a function of the verifier returns, with the errors of this program."""
    try:
        return read()
    except verifier.VerificationError as error:
        raise TamperedError(str(error)) from None
    except (verifier.UndecidedError, FileNotFoundError) as error:
        raise LedgerError(str(error)) from None
