"""Digests of files that were hashed before, so that loading an unchanged file again costs nothing.

A file is the same while its device, inode, size, modification and change time are the same. Two limits:

- A file system's clock ticks, so a change within the same tick leaves the times as they were. A file whose change
  time is younger than two seconds is therefore never remembered (`is_settled`).
- A store through a writable shared mapping that is already open need not change any time at all. A process that
  holds such a mapping can change the bytes unnoticed; ``docs/threat-model.md`` says what helps.

The cache on disk is one append-only file. Whoever can write it can make the guard believe a wrong digest, so it is
ignored unless it belongs to this user and nobody else can write to it.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

Key = tuple[int, int, int, int, int]
"""Device, inode, size, modification time and change time in nanoseconds."""

_YOUNG = 2_000_000_000
"""Nanoseconds. Some file systems and older kernels stamp with the granularity of a tick, FAT with two seconds."""

_LARGEST = 8 << 20
"""Bytes of the file on disk before it is compacted; about 60,000 digests."""

_FIELDS = 8
"""Version, the five parts of the key, kind, digest."""


def key_of(status: os.stat_result) -> Key:
    """Return what identifies the unchanged content of an open file."""
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def is_settled(status: os.stat_result, now: int | None = None) -> bool:
    """Say whether a later change of the file would certainly show in its key.

    Args:
        status: From `os.fstat`, before the file is hashed.
        now: Nanoseconds since the epoch; by default the present.
    """
    if os.name == "nt" or not status.st_ino:  # Windows has no change time, only one that anyone can set
        return False
    return status.st_ctime_ns + _YOUNG < (time.time_ns() if now is None else now)


class DigestCache:
    """A dictionary in this process, backed by a file that every process of this user shares.

    Args:
        environ: ``WEIGHLOCK_CACHE`` or ``XDG_CACHE_HOME`` or ``HOME`` say where the file lies; without any of
            them digests are remembered in this process only.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._path = place(environ)
        self._digests: dict[tuple[Key, str], str] | None = None

    def get(self, key: Key, kind: str) -> str | None:
        """Return the digest of the file with that key, if it was computed before.

        Args:
            key: From `key_of`.
            kind: ``""`` for the digest of the whole file, or how its chunks were hashed.
        """
        return self._read().get((key, kind))

    def put(self, key: Key, kind: str, digest: str) -> None:
        """Remember a digest. A disk that refuses is no reason to refuse a load."""
        self._read()[key, kind] = digest
        line = " ".join(("1", *map(str, key), kind or "sha256", digest)) + "\n"
        if self._path:
            with contextlib.suppress(OSError):
                _append(self._path, line.encode())

    def _read(self) -> dict[tuple[Key, str], str]:
        if self._digests is None:
            self._digests = {}
            if self._path:
                data = _contents(self._path)
                self._digests.update(filter(None, map(_parse, data.splitlines())))
                if len(data) > _LARGEST:
                    _compact(self._path, self._digests)
        return self._digests


def place(environ: Mapping[str, str]) -> str | None:
    """Return the path of the file on disk, or ``None`` where there is no place for it."""
    folder = cache_folder(environ)
    return os.path.join(folder, "digests") if folder else None


def cache_folder(environ: Mapping[str, str]) -> str | None:
    """Return the folder of what can be made again: ``WEIGHLOCK_CACHE``, else in the cache of this user.

    Args:
        environ: ``WEIGHLOCK_CACHE``, ``XDG_CACHE_HOME`` or ``HOME`` say where.
    """
    folder = environ.get("WEIGHLOCK_CACHE")
    if not folder:
        base = environ.get("XDG_CACHE_HOME") or (environ.get("HOME") and os.path.join(environ["HOME"], ".cache"))
        folder = base and os.path.join(base, "weighlock")
    return os.path.abspath(folder) if folder else None


def _parse(line: bytes) -> tuple[tuple[Key, str], str] | None:
    """Return one entry, or ``None`` for a line that is broken or of another version."""
    parts = line.decode("ascii", "replace").split(" ")
    if len(parts) != _FIELDS or parts[0] != "1" or not all(part.isdecimal() for part in parts[1:6]):
        return None
    digest = parts[7]
    if len(digest) != 64 or digest.strip("0123456789abcdef"):
        return None
    device, inode, size, modified, changed = map(int, parts[1:6])
    return ((device, inode, size, modified, changed), "" if parts[6] == "sha256" else parts[6]), digest


def _open(path: str, flags: int) -> int:
    """Open the cache without following a symbolic link, and only if no one else can write to it.

    Raises:
        OSError: It cannot be opened, or is not ours alone.
    """
    safe = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags | safe, 0o600)
    status = os.fstat(descriptor)
    ours = not hasattr(os, "getuid") or (status.st_uid == os.getuid() and not status.st_mode & 0o022)
    if not ours or not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise PermissionError(path)
    return descriptor


def _contents(path: str) -> bytes:
    try:
        descriptor = _open(path, os.O_RDONLY)
    except OSError:
        return b""
    with os.fdopen(descriptor, "rb") as file:
        return file.read(4 * _LARGEST)


def _append(path: str, line: bytes) -> None:
    """Append one line with one write, which no other process can tear apart."""
    try:
        descriptor = _open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        descriptor = _open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


def _compact(path: str, digests: dict[tuple[Key, str], str]) -> None:
    """Keep the newer half of what the file holds. What another process appends meanwhile is lost, and hashed again."""
    kept = list(digests.items())[len(digests) // 2 :]
    lines = [" ".join(("1", *map(str, key), kind or "sha256", digest)) for (key, kind), digest in kept]
    temporary = f"{path}.{os.getpid()}"
    with contextlib.suppress(OSError):
        os.unlink(temporary)
    with contextlib.suppress(OSError):
        descriptor = _open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        with os.fdopen(descriptor, "wb") as file:
            file.write(("\n".join(lines) + "\n").encode())
        os.replace(temporary, path)
