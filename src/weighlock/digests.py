"""SHA-256 of open files, on every core where the file is large enough.

One digest of a whole file is serial by nature, so files over `CHUNK` bytes also carry the digests of their
chunks, which any number of threads can compute at once: hashlib and `os.preadv` release the interpreter lock.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import threading
from typing import TYPE_CHECKING

from weighlock.artifact import Digest
from weighlock.errors import DigestMismatchError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CHUNK = 64 << 20
"""Bytes of one chunk, and the size above which a file carries chunk digests."""

_BUFFER = 1 << 20
"""Bytes read at once: large enough to make system calls free, small enough to stay in a core's cache."""

_local = threading.local()


def sha256_file(descriptor: int, size: int) -> str:
    """Return the digest of the first `size` bytes of an open file.

    Args:
        descriptor: Read by offset; the file position does not change.
        size: Bytes, from `os.fstat`.

    Raises:
        DigestMismatchError: The file ends before that.
    """
    _will_read(descriptor, 0, size)
    return _sha256_range(descriptor, 0, size)


def digest_of(path: str | os.PathLike[str]) -> tuple[Digest, int]:
    """Return the digest of a file and its size; a link is not followed, and nobody waits for a named pipe.

    Raises:
        OSError: It cannot be read, is a link, or no regular file.
        DigestMismatchError: It became shorter meanwhile.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "is no regular file", os.fspath(path))
        size = status.st_size
        return Digest.sha256(sha256_file(descriptor, size)), size
    finally:
        os.close(descriptor)


def chunk_digests(
    descriptor: int,
    size: int,
    chunk_size: int = CHUNK,
    threads: int | None = None,
    chunks: Sequence[int] | None = None,
) -> tuple[str, ...]:
    """Return the digests of the chunks of an open file, computed on every core.

    Args:
        descriptor: Read by offset; the file position does not change.
        size: Bytes, from `os.fstat`.
        chunk_size: Bytes of each chunk but the last.
        threads: How many to use; by default one for each core that this process may use.
        chunks: Numbers of the chunks that are asked for; by default all of them.

    Raises:
        DigestMismatchError: The file ends before that.
    """
    offsets = range(0, size, chunk_size) if chunks is None else [number * chunk_size for number in chunks]
    workers = min(len(offsets), threads or cores())

    def digest(offset: int) -> str:
        length = min(chunk_size, size - offset)
        _will_read(descriptor, offset, length)
        return _sha256_range(descriptor, offset, length)

    if workers < 2:
        return tuple(digest(offset) for offset in offsets)
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(workers, thread_name_prefix="weighlock-digest") as pool:
        return tuple(pool.map(digest, offsets))


def sha256_and_chunks(
    descriptor: int, size: int, chunk_size: int = CHUNK, *, tick: Callable[[int], None] | None = None
) -> tuple[str, tuple[str, ...]]:
    """Return the digest of a whole open file and those of its chunks, from one reading.

    Args:
        descriptor: Read by offset; the file position does not change.
        size: Bytes, from `os.fstat`.
        chunk_size: Bytes of each chunk but the last.
        tick: Is told how many bytes were hashed; may raise to end it.

    Returns:
        The digest, and the digests of the chunks, which are empty for a file of at most `chunk_size` bytes.

    Raises:
        DigestMismatchError: The file ends before that.
    """
    hasher = StreamHasher(chunk_size)
    _will_read(descriptor, 0, size)
    if size <= chunk_size:
        _feed(descriptor, 0, size, hasher.update, tick)
        return hasher.digests()
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1, thread_name_prefix="weighlock-digest") as pool:

        def update(data: memoryview) -> None:
            chunks = pool.submit(hasher.update_chunks, data)
            hasher.update_whole(data)
            chunks.result()

        _feed(descriptor, 0, size, update, tick)
    return hasher.digests()


class StreamHasher:
    """Whole-file and chunk digests of bytes that pass by once, such as a download."""

    def __init__(self, chunk_size: int = CHUNK) -> None:
        self.size = 0
        self._chunk_size = chunk_size
        self._whole = hashlib.sha256()
        self._chunk = hashlib.sha256()
        self._chunks: list[str] = []

    def update(self, data: memoryview | bytes) -> None:
        """Take the next bytes."""
        self.update_whole(data)
        self.update_chunks(data)

    def update_whole(self, data: memoryview | bytes) -> None:
        """Take the next bytes for the digest of the whole; may run beside `update_chunks` in another thread."""
        self._whole.update(data)

    def update_chunks(self, data: memoryview | bytes) -> None:
        """Take the next bytes for the digests of the chunks."""
        view = memoryview(data)
        while view:
            part = view[: self._chunk_size - self.size % self._chunk_size]
            self._chunk.update(part)
            self.size += len(part)
            view = view[len(part) :]
            if self.size % self._chunk_size == 0:
                self._chunks.append(self._chunk.hexdigest())
                self._chunk = hashlib.sha256()

    def digests(self) -> tuple[str, tuple[str, ...]]:
        """Return the digest of all bytes so far, and those of the chunks if there is more than one."""
        if self.size <= self._chunk_size:
            return self._whole.hexdigest(), ()
        rest = (self._chunk.hexdigest(),) if self.size % self._chunk_size else ()
        return self._whole.hexdigest(), (*self._chunks, *rest)


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _sha256_range(descriptor: int, offset: int, length: int) -> str:
    hasher = hashlib.sha256()
    _feed(descriptor, offset, length, hasher.update)
    return hasher.hexdigest()


def _feed(
    descriptor: int,
    offset: int,
    length: int,
    take: Callable[[memoryview], object],
    tick: Callable[[int], None] | None = None,
) -> None:
    buffer = _buffer()
    while length:
        read = _read_into(descriptor, buffer[: min(length, _BUFFER)], offset)
        if read == 0:
            raise DigestMismatchError("the file became shorter while it was read")
        take(buffer[:read])
        if tick is not None:
            tick(read)
        offset += read
        length -= read


def _buffer() -> memoryview:
    buffer: memoryview | None = getattr(_local, "buffer", None)
    if buffer is None:
        buffer = _local.buffer = memoryview(bytearray(_BUFFER))
    return buffer


if hasattr(os, "preadv"):

    def _read_into(descriptor: int, buffer: memoryview, offset: int) -> int:
        return os.preadv(descriptor, [buffer], offset)

else:

    def _read_into(descriptor: int, buffer: memoryview, offset: int) -> int:
        data = os.pread(descriptor, len(buffer), offset)
        buffer[: len(data)] = data
        return len(data)


def _will_read(descriptor: int, offset: int, length: int) -> None:
    if length > _BUFFER and hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, offset, length, os.POSIX_FADV_SEQUENTIAL)
