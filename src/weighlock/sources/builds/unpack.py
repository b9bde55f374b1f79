"""Unpacks an sdist into an empty folder, and nothing of it anywhere else."""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING, BinaryIO

from weighlock.errors import AdmissionError, FormatError, OverBudgetError
from weighlock.formats import tar
from weighlock.formats import zip as zip_format
from weighlock.formats.compression import InflatedSource
from weighlock.formats.source import Budget, FileSource

if TYPE_CHECKING:
    from pathlib import Path

    from weighlock.formats.source import Source
    from weighlock.formats.tar import TarEntry
    from weighlock.formats.zip import ZipEntry

_CHUNK = 1 << 20
_MOST = 4 << 30  # bytes; the largest sdists have hundreds of megabytes
_MOST_ENTRIES = 100_000
_LONGEST = 4096


def unpack(sdist: Path, folder: Path) -> Path:
    """Unpack an sdist.

    Files come first and links last, so that nothing is written through a link.

    Args:
        sdist: A ``.tar.gz`` or ``.zip``.
        folder: Empty.

    Returns:
        The one folder that an sdist holds.

    Raises:
        AdmissionError: It has what no build tool writes: devices, names or links that lead out, two of one name.
        FormatError: It is no archive, or not in the form of an sdist.
        OverBudgetError: It is larger than an sdist can be.
        UnsupportedError: It is packed in a way that is not understood.
    """
    budget = Budget(inflated=_MOST, entries=_MOST_ENTRIES)
    with open(sdist, "rb") as file:
        source = FileSource(file.fileno(), os.fstat(file.fileno()).st_size)
        if sdist.name.endswith(".zip"):
            _unpack_zip(source, folder, budget, sdist.name)
        elif sdist.name.endswith((".tar.gz", ".tgz")):
            _unpack_tar(source, folder, budget, sdist)
        else:
            raise FormatError("is neither a .tar.gz nor a .zip", where=sdist.name)
    tops = sorted(os.listdir(folder))
    if len(tops) != 1 or not (folder / tops[0]).is_dir() or (folder / tops[0]).is_symlink():
        raise FormatError("does not hold one folder, as an sdist does", where=sdist.name)
    return folder / tops[0]


def _unpack_zip(source: FileSource, folder: Path, budget: Budget, name: str) -> None:
    archive = zip_format.parse(source, budget)
    _require_plain(archive.anomalies, name)
    _Writer(folder, name).write([(entry, None) for entry in archive.entries], budget)


def _unpack_tar(source: FileSource, folder: Path, budget: Budget, sdist: Path) -> None:
    unpacked = folder.with_name(f"{folder.name}.tar")
    with open(unpacked, "xb+") as file:
        _copy(InflatedSource(source, "gzip", budget), file)
        archive = tar.parse(FileSource(file.fileno(), os.fstat(file.fileno()).st_size), budget)
        _require_plain(archive.anomalies, sdist.name)
        _Writer(folder, sdist.name).write([(entry, entry.link) for entry in archive.entries], budget)
    unpacked.unlink()


def _require_plain(anomalies: tuple[str, ...], name: str) -> None:
    if anomalies:
        raise AdmissionError(f"is an archive as no build tool writes one: {', '.join(anomalies)}", where=name)


class _Writer:
    """Writes members of an archive.

    Args:
        folder: Where they go.
        name: Of the archive, for messages.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name

    def write(self, members: list[tuple[TarEntry | ZipEntry, str | None]], budget: Budget) -> None:
        """Write folders and files, and then links."""
        files = {self._inside(entry.name): entry for entry, link in members if link is None}
        parents = {parent for name in files for parent in _parents(name)}
        links = {self._inside(entry.name): link for entry, link in members if link is not None}
        for name, entry in sorted(files.items()):
            if entry.name.endswith("/") or (name in parents and not entry.size):
                self._make(name)
            else:
                self._make(posixpath.dirname(name))
                with open(os.path.join(self._folder, name), "xb+") as file:
                    _copy(entry.open(budget), file)
                    if os.pread(file.fileno(), 2, 0) == b"#!":
                        os.fchmod(file.fileno(), 0o755)
        for name, link in sorted(links.items()):
            self._link(name, link, parents | files.keys() | links.keys())

    def _inside(self, name: str) -> str:
        plain = posixpath.normpath(name)
        if plain.startswith(("/", "..")) or len(name) > _LONGEST or "\0" in name or "\\" in name:
            raise AdmissionError(f"holds a name that leads out of it: {name[:200]!r}", where=self._name)
        return plain

    def _make(self, name: str) -> None:
        os.makedirs(os.path.join(self._folder, name), exist_ok=True)

    def _link(self, name: str, target: str, known: set[str]) -> None:
        """Make a link to what the archive holds; no other can be of use to a build."""
        plain = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
        if target.startswith("/") or plain not in known or len(target) > _LONGEST:
            raise AdmissionError(f"holds a link to what is not in it: {name[:200]!r}", where=self._name)
        self._make(posixpath.dirname(name))
        os.symlink(target, os.path.join(self._folder, name))


def _parents(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:number]) for number in range(1, len(parts))]


def _copy(source: Source, file: BinaryIO) -> None:
    stream, written = source.open(), 0
    while chunk := stream.read(_CHUNK):
        written += len(chunk)
        if written > _MOST:
            raise OverBudgetError("is larger than an sdist can be")
        file.write(chunk)
    file.flush()
