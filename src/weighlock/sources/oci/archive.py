"""Layers that are archives of files: opened once, hashed file by file, nothing that two readers unpack differently."""

from __future__ import annotations

import os
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.digests import StreamHasher
from weighlock.errors import FormatError, SourceError, WeighlockError
from weighlock.files import unfinished_file_errors
from weighlock.formats import tar
from weighlock.formats.compression import InflatedSource
from weighlock.formats.oci_files import check_paths, safe_path
from weighlock.formats.source import Budget, FileSource
from weighlock.sources.interface import Fetched

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from weighlock.formats.source import Source
    from weighlock.formats.tar import TarEntry
    from weighlock.sources.interface import Progress

_STEP = 1 << 20
_FILES, _FOLDER = (b"0", b"\x00", b"7"), b"5"
_LEAST, _RATIO = 64 << 20, 100
"""What may come out of a compressed layer: so many bytes, or so many times its size. Weights hardly shrink."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A file in an archive.

    Args:
        path: Relative to the model.
        size: Bytes.
        sha256: Of its bytes.
    """

    path: str
    size: int
    sha256: str


class OpenArchive:
    """An archive whose bytes were verified, held open, so that what was listed is what is unpacked.

    Args:
        place: The file, on the file system of the quarantine; it may be removed afterwards.
        codec: What it is compressed with.
        label: For messages.
        progress: Is told what is hashed.

    Raises:
        SourceError: It is broken, or readers would unpack it differently.
    """

    def __init__(self, place: Path, codec: str | None, label: str, progress: Progress) -> None:
        self._label = label
        try:
            source = _opened(self, place) if codec is None else _inflated(self, place, codec)
            self._entries = _entries(source)
        except WeighlockError as error:
            if isinstance(error, SourceError):
                raise
            raise SourceError(f"the layer {error}", where=label) from error
        self.members = tuple(self._hashed(path, entry, progress) for path, entry in self._entries.items())

    def extract(self, path: str, place: Path, progress: Progress) -> Fetched:
        """Write one file, hashed on the way.

        Args:
            path: Of a member.
            place: A new file in the quarantine.
            progress: Is told what happens.

        Raises:
            WeighlockError: The disk is full or refuses.
        """
        entry = self._entries[path]
        hasher = StreamHasher()
        place.unlink(missing_ok=True)
        with unfinished_file_errors(place):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
            with os.fdopen(os.open(place, flags, 0o600), "wb") as file:
                for data in _parts(entry):
                    hasher.update(data)
                    file.write(data)
                    progress.advance(len(data))
                file.flush()
                os.fsync(file.fileno())
        sha256, chunks = hasher.digests()
        return Fetched(place=place, size=hasher.size, sha256=sha256, chunks=chunks, quarantined=True)

    def _hashed(self, path: str, entry: TarEntry, progress: Progress) -> Member:
        hasher = StreamHasher()
        progress.expect(entry.size)
        for data in _parts(entry):
            hasher.update(data)
            progress.advance(len(data))
        if hasher.size != entry.size:
            raise SourceError("the layer ends in the middle of a file", where=self._label)
        return Member(path=path, size=hasher.size, sha256=hasher.digests()[0])


def _opened(owner: OpenArchive, place: Path) -> FileSource:
    descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0))
    weakref.finalize(owner, os.close, descriptor)
    return FileSource(descriptor, os.fstat(descriptor).st_size)


def _inflated(owner: OpenArchive, place: Path, codec: str) -> FileSource:
    """Unpack into a file without a name, within what honest compression could hold."""
    packed = _opened(owner, place)
    budget = Budget(inflated=max(_LEAST, _RATIO * packed.size))
    spool = place.with_name(f"{place.stem}-unpacked.part")
    spool.unlink(missing_ok=True)
    with unfinished_file_errors(spool):
        descriptor = os.open(spool, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        weakref.finalize(owner, os.close, descriptor)
        spool.unlink()
        stream = InflatedSource(packed, codec, budget).open()
        while data := stream.read(_STEP):
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
        return FileSource(descriptor, os.fstat(descriptor).st_size)


def _entries(source: FileSource) -> dict[str, TarEntry]:
    archive = tar.parse(source, Budget())
    if archive.anomalies:
        raise FormatError(f"is an archive that readers unpack differently: {', '.join(archive.anomalies)}")
    found: dict[str, TarEntry] = {}
    for entry in archive.entries:
        if entry.kind == _FOLDER:
            continue
        if entry.link is not None or entry.sparse or entry.kind not in _FILES:
            raise FormatError("holds something else than files and folders", where=ascii(entry.name))
        path = safe_path(entry.name)
        if path in found:
            raise FormatError("holds two files of one name", where=ascii(path))
        found[path] = entry
    check_paths(list(found))
    return found


def _parts(entry: TarEntry) -> Iterator[bytes]:
    source: Source = entry.open(Budget())
    stream = source.open()
    while data := stream.read(_STEP):
        yield data
