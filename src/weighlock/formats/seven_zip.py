"""7z archives, in which payloads hide from scanners because no loader opens them by itself."""

from __future__ import annotations

import lzma
import re
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from weighlock.errors import FormatError, OverBudgetError, UnsupportedError
from weighlock.formats.archive import Archive
from weighlock.formats.compression import InflatedSource
from weighlock.formats.inflate import DECODERS, bz2_stream, limited, lzma1_filter, raw_lzma
from weighlock.formats.seven_zip_header import (
    ADDITIONAL_STREAMS,
    ARCHIVE_PROPERTIES,
    ENCODED_HEADER,
    END,
    FILES,
    HEADER,
    MAIN_STREAMS,
    Folder,
    Reader,
    files,
    folders,
    skip_properties,
)
from weighlock.formats.source import BytesSource, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from weighlock.formats.inflate import Decode, Input
    from weighlock.formats.seven_zip_header import Coder
    from weighlock.formats.source import Budget, RandomAccess, Source

MAGIC = b"7z\xbc\xaf\x27\x1c"

_START = 32  # the signature header
_HEADER = 32 << 20
_ENCODINGS = 4  # a header may be packed, and its header again
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DRIVE = re.compile(r"[A-Za-z]:")

_COPY = b"\x00"
_LZMA1 = b"\x03\x01\x01"
_LZMA2 = b"\x21"
_DELTA = b"\x03"
_BRANCH_X86 = (b"\x04", b"\x03\x03\x01\x03")
_WHOLE: dict[bytes, Decode] = {b"\x04\x01\x08": DECODERS["deflate"], b"\x04\x02\x02": bz2_stream}


@dataclass(frozen=True, slots=True, kw_only=True)
class SevenZipEntry:
    """One file.

    Args:
        name: As it is written, not made safe.
        size: Bytes of the content.
        compressed_size: Bytes of everything that is packed together with it.
        method: Number of the folder that it is packed in, ``-1`` for a file without content.
        offset: Of its first byte in the content of that folder.
    """

    name: str
    size: int
    compressed_size: int
    method: int
    offset: int
    _folder: _OpenFolder | None = field(repr=False, compare=False)

    def open(self, budget: Budget) -> Source:
        """Return the content.

        Files that share a folder are unpacked by ``budget.spool``, each once if they are opened in their order.

        Raises:
            FormatError: The packed bytes are damaged.
            OverBudgetError: Unpacking costs more than the budget allows.
            UnsupportedError: The archive is encrypted, or packed by a method that is not supported.
        """
        if self._folder is None:
            return BytesSource(b"")
        return self._folder.open(self.offset, self.size, budget)


@dataclass(frozen=True, slots=True, kw_only=True)
class SevenZipArchive(Archive):
    """A 7z archive.

    Args:
        entries: Every file and folder in its order.
        anomalies: Sorted names of what a packer would not write:

            - ``control-in-name``: a name holds a control character
            - ``duplicate-name``: several files have one name
            - ``missing-files``: more contents are packed than files are named; the contents are entries without name
            - ``trailing-data``: bytes behind the header
            - ``unsafe-name``: a name is absolute or has ``..`` in it
    """

    entries: tuple[SevenZipEntry, ...]
    anomalies: tuple[str, ...]


class _OpenFolder:
    """The one reading of a folder that is under way, shared by the files in it."""

    def __init__(self, source: RandomAccess, folder: Folder) -> None:
        self.packed = source.slice(_START + folder.offset, folder.packed)
        self._folder = folder
        self._stream: Stream | None = None
        self._position = 0

    def content(self, budget: Budget) -> Source:
        """Return the whole content of the folder."""
        decode = _decoder(self._folder)
        return self.packed if decode is None else InflatedSource(self.packed, decode, budget)

    def open(self, offset: int, size: int, budget: Budget) -> Source:
        """Return a part of the content."""
        decode = _decoder(self._folder)
        if decode is None:
            return self.packed.slice(offset, size)
        content = InflatedSource(self.packed, partial(_checked, decode, self._folder.size), budget)
        if (offset, size) == (0, self._folder.size):
            return content
        stream, self._stream = self._stream, None
        if stream is None or self._position > offset:
            stream, self._position = content.open(), 0
        self._position += stream.skip(offset - self._position)
        spooled = budget.spool(_Part(stream, size))
        self._stream, self._position = stream, self._position + size
        return spooled


class _Part(Stream):
    """The next bytes of a stream.

    Args:
        stream: Where they come from.
        size: How many there must be.
    """

    def __init__(self, stream: Stream, size: int) -> None:
        self._stream = stream
        self._left = size

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes, ``b""`` only at the end.

        Raises:
            FormatError: The folder has fewer bytes than its files need.
        """
        data = self._stream.read(min(size, self._left))
        self._left -= len(data)
        if not data and self._left and size:
            raise FormatError("the content of a 7z folder is smaller than its files")
        return data

    def skip(self, size: int) -> int:
        """Pass over at most `size` bytes and return how many there were."""
        skipped = self._stream.skip(min(size, self._left))
        self._left -= skipped
        return skipped


def parse(source: RandomAccess, budget: Budget) -> SevenZipArchive:
    """Read the header of a 7z archive; contents are not unpacked. Checksums are passed over.

    Args:
        source: The archive.
        budget: Pays for each file, and for unpacking the header.

    Raises:
        FormatError: It is no 7z archive.
        OverBudgetError: It has more files, or a larger header, than the budget allows.
        UnsupportedError: The header is encrypted or packed by a method that is not supported.

    Source:
        7zFormat.txt of the LZMA SDK 24.09.
    """
    start = source.read_at(0, _START)
    if len(start) < _START or not start.startswith(MAGIC):
        raise FormatError("the file is not a 7z archive")
    offset, size = int.from_bytes(start[12:20], "little"), int.from_bytes(start[20:28], "little")
    if size > _HEADER:
        raise OverBudgetError("the 7z header is over the budget for headers")
    data = source.read_at(_START + offset, size) if offset < source.size else b""
    if len(data) < size:
        raise FormatError("the 7z archive breaks off before its header")
    packed, named = _header(source, data, budget) if data else ([], [])
    entries = tuple(_entries(source, packed, named, budget))
    anomalies = _anomalies(entries)
    if sum(len(each.files) for each in packed) > sum(content for _, content in named):
        anomalies.add("missing-files")
    if _START + offset + size < source.size:
        anomalies.add("trailing-data")
    return SevenZipArchive(entries=entries, anomalies=tuple(sorted(anomalies)))


def _header(source: RandomAccess, data: bytes, budget: Budget) -> tuple[list[Folder], list[tuple[str, bool]]]:
    """Unpack the header as often as it is packed, and read it."""
    for _ in range(_ENCODINGS):
        reader = Reader(data, max(0, budget.entries))
        if reader.expect(HEADER, ENCODED_HEADER) == HEADER:
            return _read_header(reader)
        packed = folders(reader)
        if not packed:
            raise FormatError("the 7z archive has an empty header")
        if packed[0].size > _HEADER:
            raise OverBudgetError("the 7z header is over the budget for headers")
        data = _OpenFolder(source, packed[0]).content(budget).head(packed[0].size)
    raise OverBudgetError("the 7z header is packed too many times")


def _read_header(reader: Reader) -> tuple[list[Folder], list[tuple[str, bool]]]:
    packed: list[Folder] = []
    named: list[tuple[str, bool]] = []
    while (kind := reader.expect(ARCHIVE_PROPERTIES, ADDITIONAL_STREAMS, MAIN_STREAMS, FILES, END)) != END:
        if kind == ARCHIVE_PROPERTIES:
            skip_properties(reader)
        elif kind == ADDITIONAL_STREAMS:
            raise UnsupportedError("7z headers in several streams are not supported")
        elif kind == MAIN_STREAMS:
            packed = folders(reader)
        else:
            named = files(reader)
    return packed, named


def _entries(
    source: RandomAccess, packed: list[Folder], named: list[tuple[str, bool]], budget: Budget
) -> Iterator[SevenZipEntry]:
    """Join names and contents, which stand in the same order; contents without a name come last."""
    contents = _contents(source, packed)
    names = iter(named)
    for name, with_content in names:
        budget.spend("entries", 1)
        if not with_content:
            yield SevenZipEntry(name=name, size=0, compressed_size=0, method=-1, offset=0, _folder=None)
        elif (make := next(contents, None)) is None:
            raise FormatError("the 7z header names more files than it has contents")
        else:
            yield make(name=name)
    for make in contents:
        budget.spend("entries", 1)
        yield make(name="")


def _contents(source: RandomAccess, packed: list[Folder]) -> Iterator[Callable[..., SevenZipEntry]]:
    for number, folder in enumerate(packed):
        shared, offset = _OpenFolder(source, folder), 0
        for size in folder.files:
            yield partial(
                SevenZipEntry,
                size=size,
                compressed_size=folder.packed,
                method=number,
                offset=offset,
                _folder=shared,
            )
            offset += size


def _anomalies(entries: tuple[SevenZipEntry, ...]) -> set[str]:
    found: set[str] = set()
    seen: set[str] = set()
    for entry in entries:
        parts = entry.name.replace("\\", "/").split("/")
        if entry.name and entry.name in seen:
            found.add("duplicate-name")
        seen.add(entry.name)
        if _CONTROL.search(entry.name):
            found.add("control-in-name")
        if ".." in parts or (len(parts) > 1 and not parts[0]) or _DRIVE.match(entry.name):
            found.add("unsafe-name")
    return found


def _decoder(folder: Folder) -> Decode | None:
    """Return what unpacks a folder, or ``None`` where its content is not packed at all.

    Raises:
        UnsupportedError: A coder, or this chain of coders, is not supported.
    """
    steps = [each for each in folder.coders if each.method != _COPY]
    if not folder.coders:
        raise UnsupportedError("7z folders whose coders form no chain are not supported")
    if not steps:
        return None
    if len(steps) == 1 and steps[0].method in _WHOLE:
        return _WHOLE[steps[0].method]
    filters = [_filter(each) for each in steps]
    last = steps[-1].method
    branched = any(each.method in _BRANCH_X86 for each in steps)
    # liblzma's branch filter keeps the last bytes back until an end mark, which LZMA1 does not have here.
    if last not in (_LZMA1, _LZMA2) or (branched and last == _LZMA1):
        raise UnsupportedError("this chain of 7z coders is not supported")
    if any(each.method in (_LZMA1, _LZMA2) for each in steps[:-1]):
        raise UnsupportedError("this chain of 7z coders is not supported")
    return partial(_lzma, filters, folder.size, end_mark=last == _LZMA2)


def _filter(coder: Coder) -> dict[str, int]:
    if coder.method == _LZMA1:
        return lzma1_filter(coder.properties)
    if coder.method in _BRANCH_X86:
        return {"id": lzma.FILTER_X86}
    if coder.method == _DELTA and len(coder.properties) == 1:
        return {"id": lzma.FILTER_DELTA, "dist": coder.properties[0] + 1}
    if coder.method == _LZMA2 and len(coder.properties) == 1 and coder.properties[0] <= 40:
        bits = coder.properties[0]
        size = 0xFFFFFFFF if bits == 40 else (2 | bits & 1) << (bits // 2 + 11)
        return {"id": lzma.FILTER_LZMA2, "dict_size": size}
    raise UnsupportedError(f"7z method {coder.method.hex() or 'without number'} is not supported")


def _lzma(filters: list[dict[str, int]], size: int, data: Input, *, end_mark: bool) -> Iterator[bytes]:
    # LZMA without an end mark goes on for a few bytes that mean nothing.
    return limited(raw_lzma(data, filters, end_mark=end_mark), size)


def _checked(decode: Decode, size: int, data: Input) -> Iterator[bytes]:
    total = 0
    for chunk in decode(data):
        total += len(chunk)
        yield chunk
    if total != size:
        raise FormatError("a 7z folder does not unpack to the size that the header says")
