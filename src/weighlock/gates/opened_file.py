"""A file that the load gate is judging."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from weighlock.digest_cache import key_of

if TYPE_CHECKING:
    from weighlock.digest_cache import DigestCache, Key
    from weighlock.formats.source import RandomAccess


class OpenedFile:
    """An open file, its key before it is judged, and what is said about it.

    Args:
        descriptor: Read by offset.
        key: From `key_of`.
        label: Its name, for messages.
        loader: Who loads it.
        settled: From `is_settled`.
    """

    def __init__(self, descriptor: int, key: Key, label: str, loader: str, *, settled: bool) -> None:
        self.descriptor = descriptor
        self.key = key
        self.label = label
        self.loader = loader
        self.size = key[2]
        self._settled = settled

    def source(self, offset: int) -> RandomAccess:
        """Return the bytes from an offset on."""
        from weighlock.formats.source import FileSource

        source = FileSource(self.descriptor, self.size)
        return source.slice(offset, self.size) if offset else source

    def remember(self, cache: DigestCache, kind: str, digest: str) -> None:
        """Keep a digest, unless the file's stamps are too young to notice a change, or did change meanwhile."""
        if self._settled and key_of(os.fstat(self.descriptor)) == self.key:
            cache.put(self.key, kind, digest)
