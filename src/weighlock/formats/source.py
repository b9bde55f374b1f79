"""Where the bytes of a format come from: an open file, memory, a slice of another source, or a decompressor.

A `Source` can be read again from its start any number of times; a `Stream` is one forward reading of it.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING

from weighlock.errors import FormatError, OverBudgetError

if TYPE_CHECKING:
    from collections.abc import Callable

_COPY = 1 << 18


_WORDS = {
    "opcodes": "opcodes",
    "retained": "memory",
    "inflated": "unpacked bytes",
    "depth": "nesting",
    "entries": "members of archives",
}


class Budget:
    """What judging one artifact may cost. One object is shared by everything that reads the artifact.

    Args:
        opcodes: Pickle opcodes that are executed one by one; runs of plain data are charged by length.
        retained: Bytes of symbolic values kept in memory.
        inflated: Bytes that come out of decompressors.
        depth: Levels of nesting (archive in archive, pickle in pickle).
        entries: Archive entries, over all archives.
        spool: Turns a stream of unknown length into a random-access source; the default keeps it in memory.
    """

    def __init__(
        self,
        *,
        opcodes: int = 10_000_000,
        retained: int = 512 << 20,
        inflated: int = 8 << 30,
        depth: int = 8,
        entries: int = 200_000,
        spool: Callable[[Stream], Source] | None = None,
    ) -> None:
        self.opcodes = opcodes
        self.retained = retained
        self.inflated = inflated
        self.depth = depth
        self.entries = entries
        self.spool = spool or _spool_to_memory

    @property
    def is_spent(self) -> bool:
        """Whether something was asked for that was not there any more."""
        return min(self.opcodes, self.inflated, self.entries) < 0

    def spend(self, what: str, amount: int) -> None:
        """Take `amount` from the budget called `what`.

        Raises:
            OverBudgetError: Less than that is left.
        """
        left = getattr(self, what) - amount
        setattr(self, what, left)
        if left < 0:
            raise OverBudgetError(f"over the budget for {_WORDS[what]}")


class Stream(ABC):
    """One forward reading of a source."""

    @abstractmethod
    def read(self, size: int) -> bytes:
        """Return at most `size` bytes, ``b""`` only at the end."""

    @abstractmethod
    def skip(self, size: int) -> int:
        """Pass over at most `size` bytes and return how many there were."""

    def read_exactly(self, size: int) -> bytes:
        """Return exactly `size` bytes.

        Raises:
            FormatError: The stream ends before that.
        """
        parts = []
        while size:
            part = self.read(min(size, _COPY))
            if not part:
                raise FormatError("the data ends in the middle of a value")
            parts.append(part)
            size -= len(part)
        return b"".join(parts)


class Source(ABC):
    """Bytes that can be read from the start any number of times. `size` is ``None`` where it is not known yet."""

    size: int | None

    @abstractmethod
    def open(self) -> Stream:
        """Start a new reading from the first byte."""

    def head(self, size: int) -> bytes:
        """Return the first `size` bytes, or as many as can be read: a loader acts on what comes before an error."""
        stream = self.open()
        parts = []
        with suppress(FormatError):
            while size and (part := stream.read(size)):
                parts.append(part)
                size -= len(part)
        return b"".join(parts)


class RandomAccess(Source):
    """A source that can be read at any offset."""

    size: int

    @abstractmethod
    def read_at(self, offset: int, size: int) -> bytes:
        """Return the bytes from `offset`, at most `size` of them."""

    def open(self) -> Stream:
        """Start a new reading from the first byte; skipping costs nothing."""
        return _Cursor(self)

    def slice(self, start: int, size: int) -> RandomAccess:
        """Return the part of this source from `start`, at most `size` bytes long."""
        start = min(max(start, 0), self.size)
        return SliceSource(self, start, min(size, self.size - start))


class BytesSource(RandomAccess):
    """Bytes in memory."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = memoryview(data)
        self.size = len(data)

    def read_at(self, offset: int, size: int) -> bytes:
        """Return the bytes from `offset`, at most `size` of them."""
        return bytes(self._data[offset : offset + size])


class FileSource(RandomAccess):
    """An open regular file, read by offset, so that its file position does not matter.

    Args:
        descriptor: The file descriptor; it stays the caller's.
        size: Bytes, from `os.fstat`.
    """

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor = descriptor
        self.size = size

    def read_at(self, offset: int, size: int) -> bytes:
        """Return the bytes from `offset`, at most `size` of them."""
        return os.pread(self._descriptor, max(0, min(size, self.size - offset)), offset)


class SliceSource(RandomAccess):
    """A part of another random-access source."""

    def __init__(self, parent: RandomAccess, start: int, size: int) -> None:
        self._parent = parent
        self._start = start
        self.size = size

    def read_at(self, offset: int, size: int) -> bytes:
        """Return the bytes from `offset`, at most `size` of them."""
        return self._parent.read_at(self._start + offset, max(0, min(size, self.size - offset)))


class TailSource(Source):
    """What another source holds from some offset on."""

    size = None

    def __init__(self, parent: Source, start: int) -> None:
        self._parent = parent
        self._start = start

    def open(self) -> Stream:
        """Start a new reading there."""
        stream = self._parent.open()
        stream.skip(self._start)
        return stream


class _Cursor(Stream):
    def __init__(self, source: RandomAccess) -> None:
        self._source = source
        self._offset = 0

    def read(self, size: int) -> bytes:
        data = self._source.read_at(self._offset, size)
        self._offset += len(data)
        return data

    def skip(self, size: int) -> int:
        size = min(size, self._source.size - self._offset)
        self._offset += size
        return size


_MEMORY_SPOOL = 16 << 20


def _spool_to_memory(stream: Stream) -> Source:
    parts, total = [], 0
    while part := stream.read(_COPY):
        total += len(part)
        if total > _MEMORY_SPOOL:
            raise OverBudgetError("over the budget for unpacking into memory")
        parts.append(part)
    return BytesSource(b"".join(parts))
