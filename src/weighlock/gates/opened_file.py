"""A file that the load gate is judging."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from weighlock.digest_cache import is_settled, key_of
from weighlock.digests import chunk_digests, sha256_file

if TYPE_CHECKING:
    from weighlock.digest_cache import DigestCache
    from weighlock.formats.source import RandomAccess, Source
    from weighlock.lockfile import Chunks


class OpenedFile:
    """An open file, its key before it is judged, and its digests, computed at most once.

    Args:
        descriptor: Read by offset.
        label: Its name, for messages.
        loader: Who loads it.
        cache: Digests of files that were hashed before.
    """

    def __init__(self, descriptor: int, label: str, loader: str, cache: DigestCache) -> None:
        status = os.fstat(descriptor)
        self.descriptor = descriptor
        self.key = key_of(status)
        self.label = label
        self.loader = loader
        self.size = status.st_size
        self.settled = is_settled(status)
        self._cache = cache

    def source(self, offset: int) -> RandomAccess:
        """Return the bytes from an offset on."""
        from weighlock.formats.source import FileSource

        source = FileSource(self.descriptor, self.size)
        return source.slice(offset, self.size) if offset else source

    def is_unchanged(self) -> bool:
        """Say whether it is what it was when it was opened."""
        return key_of(os.fstat(self.descriptor)) == self.key

    def sha256(self) -> str:
        """Return the digest of all its bytes.

        Raises:
            DigestMismatchError: It was changed while it was read.
        """
        known = self._cache.get(self.key, "")
        if known is None:
            known = sha256_file(self.descriptor, self.size)
            self._remember("", known)
        return known

    def has_chunks(self, chunks: Chunks) -> bool:
        """Say whether it has these chunk digests, all of which were verified now or before.

        Raises:
            DigestMismatchError: It was changed while it was read.
        """
        kind = f"chunks-{chunks.size}"
        known = self._cache.get(self.key, kind)
        if known is None:
            known = _joined(chunk_digests(self.descriptor, self.size, chunks.size))
            self._remember(kind, known)
        return known == _joined(chunks.sha256)

    def _remember(self, kind: str, digest: str) -> None:
        """Keep a digest, unless the file's stamps are too young to notice a change, or did change meanwhile."""
        if self.settled and self.is_unchanged():
            self._cache.put(self.key, kind, digest)


def _joined(digests: tuple[str, ...]) -> str:
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def sha256_of(source: Source) -> str:
    """Return the digest of all bytes of a source."""
    hasher, stream = hashlib.sha256(), source.open()
    while data := stream.read(1 << 20):
        hasher.update(data)
    return hasher.hexdigest()
