"""Bytes of a locked file, verified before anybody reads them, and no more of them than are read."""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from weighlock.digests import CHUNK
from weighlock.errors import DigestMismatchError, OverBudgetError, SourceError
from weighlock.formats.source import RandomAccess
from weighlock.sources.directory import opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from weighlock.lockfile import LockedFile


class LockedBytes(RandomAccess):
    """An open file of which each part is held against the lockfile when it is first read.

    What was verified is kept and handed out, so that nobody can exchange it in between.

    Args:
        descriptor: Of the file; it stays the caller's.
        file: Its entry in the lockfile.
    """

    def __init__(self, descriptor: int, file: LockedFile) -> None:
        self._descriptor = descriptor
        self._chunks = file.chunks
        self._whole = file.sha256
        self._parts: dict[int, bytes] = {}
        self.size = file.size
        if (file.chunks.size if file.chunks else file.size) > CHUNK:
            raise OverBudgetError("the lockfile has no digests of its parts")

    def read_at(self, offset: int, size: int) -> bytes:
        """Return the bytes from `offset`, at most `size` of them.

        Raises:
            DigestMismatchError: They are not the locked ones.
        """
        end = min(offset + size, self.size)
        step = self._chunks.size if self._chunks else max(self.size, 1)
        found = []
        while 0 <= offset < end:
            number, start = divmod(offset, step)
            part = self._part(number, step)[start : start + end - offset]
            found.append(part)
            offset += len(part)
        return b"".join(found)

    def _part(self, number: int, step: int) -> bytes:
        if number not in self._parts:
            length = min(step, self.size - number * step)
            data = _read(self._descriptor, number * step, length)
            expected = self._chunks.sha256[number] if self._chunks else self._whole
            grown = os.fstat(self._descriptor).st_size != self.size
            if grown or len(data) != length or hashlib.sha256(data).hexdigest() != expected:
                raise DigestMismatchError("it has other bytes than the lockfile says")
            self._parts = {number: data}  # one is enough: everything is read from the front
        return self._parts[number]


@contextmanager
def locked_bytes(place: Path, file: LockedFile) -> Iterator[LockedBytes]:
    """Open a locked file where it lies.

    Raises:
        SourceError: It is not there or cannot be read.
        DigestMismatchError: What was read is not what was locked.
        OverBudgetError: It cannot be verified in parts.
    """
    if not os.path.lexists(place):
        raise SourceError("it is not on this machine")
    with opened(place) as (descriptor, _):
        yield LockedBytes(descriptor, file)


def _read(descriptor: int, offset: int, length: int) -> bytes:
    parts = []
    while length and (part := os.pread(descriptor, length, offset)):
        parts.append(part)
        offset, length = offset + len(part), length - len(part)
    return b"".join(parts)
