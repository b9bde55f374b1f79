"""Which real file, if any, is behind a Python file object."""

from __future__ import annotations

import io
import os
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PLAIN = frozenset({io.BufferedReader, io.BufferedRandom})
_DECOMPRESSORS = frozenset(
    {
        ("bz2", "BZ2File"),
        ("compression.zstd", "ZstdFile"),
        ("gzip", "GzipFile"),
        ("lz4.frame", "LZ4FrameFile"),
        ("lzma", "LZMAFile"),
        ("tarfile", "ExFileObject"),
        ("zipfile", "ZipExtFile"),
    }
)
_WRAPPERS = frozenset({("tempfile", "_TemporaryFileWrapper")})


def unwrapped(file: Any) -> Any:
    """Return the file object inside a temporary file's wrapper, or the object itself."""
    return file.file if _kind(file) in _WRAPPERS else file


def plain_descriptor(file: Any) -> int | None:
    """Return the descriptor of a regular file whose bytes a file object hands out unchanged.

    Only the exact types of the standard library count: a subclass may answer anything.
    """
    return _regular(file) if _is_plain(file) else None


def written_descriptor(file: Any) -> int | None:
    """Return the descriptor of a regular file to which a file object writes what it is given, unchanged."""
    file = unwrapped(file)
    plain = type(file) is io.BufferedWriter and type(file.raw) is io.FileIO
    return _regular(file) if plain or _is_plain(file) else None


def artifact_descriptor(file: Any) -> int | None:
    """Return the descriptor of the regular file that a reader takes its bytes from, through decompressors too."""
    for _ in range(6):
        if _is_plain(file):
            return _regular(file)
        kind = _kind(file)
        if type(file) is io.BufferedReader:
            file = file.raw
        elif kind in _WRAPPERS:
            file = file.file
        elif kind in _DECOMPRESSORS:
            file = _inner(file)
        else:
            return None
    return None


def is_nameless(descriptor: int) -> bool:
    """Say whether an open file has no name on any disk, and so was written by whoever holds it open."""
    return os.fstat(descriptor).st_nlink == 0


def label_of(file: Any, otherwise: str = "an open file") -> str:
    """Return the name of a file object, or of the one that a decompressor reads from, for messages."""
    name = getattr(file, "name", None)
    if not isinstance(name, str | bytes) and _kind(file) in _DECOMPRESSORS:
        name = getattr(_inner(file), "name", None)
    return os.fsdecode(name) if isinstance(name, str | bytes) else otherwise


def _is_plain(file: Any) -> bool:
    return type(file) is io.FileIO or (type(file) in _PLAIN and type(file.raw) is io.FileIO)


def _kind(file: object) -> tuple[str, str] | None:
    """Return module and name of an object's type, if that type really is what it says."""
    kind = (type(file).__module__, type(file).__qualname__)
    return kind if getattr(sys.modules.get(kind[0]), kind[1], None) is type(file) else None


def _inner(file: Any) -> Any:
    """Return what a decompressor reads from."""
    for names in (("fileobj",), ("_fileobj", "_file"), ("_fp",), ("raw", "fileobj")):
        inner = file
        for name in names:
            inner = getattr(inner, name, None)
        if inner is not None:
            return inner
    return None


def _regular(file: Any) -> int | None:
    descriptor: int = file.fileno()
    return descriptor if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
