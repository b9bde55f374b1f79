"""Zip archives, read under every reading of the readers that load models from them.

Python's zipfile, PyTorch's miniz and others differ: about prefixed data, zip64, names and sizes in the two headers of
an entry, letter case, duplicates. Where two readers could read different bytes, both readings are entries here. What
lets them differ is an anomaly; archives that the libraries write have none.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from weighlock.errors import FormatError, UnsupportedError
from weighlock.formats.archive import Archive
from weighlock.formats.compression import InflatedSource
from weighlock.formats.inflate import DECODERS, Input, bz2_stream, limited, lzma1_filter, raw_lzma
from weighlock.formats.zip_layout import Span, examine
from weighlock.formats.zip_records import Header, directories, headers, local_header

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from weighlock.formats.inflate import Decode
    from weighlock.formats.source import Budget, RandomAccess, Source
    from weighlock.formats.zip_records import Directory

_STORED, _DEFLATED = 0, 8
_DATA_DESCRIPTOR = 0x0008
_ENCRYPTED = 0x2041  # encrypted, strongly encrypted, masked headers
_PATCHED = 0x0020
_UTF8 = 0x0800
_DRIVE = re.compile(r"[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ZipEntry:
    """One reading of one entry.

    Args:
        name: As the reader would see it, not made safe.
        size: Bytes of the content, as the archive says.
        compressed_size: Bytes in the archive, as the archive says.
        method: Of compression, the number of the specification.
        offset: Where the data begin, or ``None`` where the entry has no local header.
        crc: Of the content, as the directory says.
        attributes: The external ones, as the directory says: the mode of Unix in the upper half.
        alias: Another name that some readers would see in its place.
    """

    name: str
    size: int
    compressed_size: int
    method: int
    offset: int | None
    _source: RandomAccess = field(repr=False, compare=False)
    crc: int = field(default=0, compare=False)
    attributes: int = field(default=0, compare=False)
    alias: bytes | None = field(default=None, compare=False)

    def read(self, budget: Budget) -> bytes:
        """Return the whole content in one piece, for entries that are known to be small; the quick way.

        Raises:
            FormatError: It is not of the size or has not the checksum that the directory says, or cannot be opened.
            OverBudgetError: The budget for unpacked bytes is spent.
            UnsupportedError: The method of compression is not supported.
        """
        if self.method != _DEFLATED or self.offset is None:
            data = self.open(budget).open().read_exactly(self.size)
        else:
            budget.spend("inflated", self.size)
            data = _inflated(self._source.read_at(self.offset, self.compressed_size), self.size)
        if len(data) != self.size:
            raise FormatError("the zip entry does not unpack to the size that the directory says")
        if zlib.crc32(data) != self.crc:
            raise FormatError("the zip entry has another checksum than the directory says")
        return data

    def open(self, budget: Budget) -> Source:
        """Return the content; what is unpacked is charged to the budget as it is read.

        Raises:
            FormatError: The entry has no local header, so that no reader can open it.
            UnsupportedError: The method of compression is not supported.
        """
        if self.offset is None:
            raise FormatError("the zip entry has no local header", where=self.name)
        data = self._source.slice(self.offset, self.compressed_size)
        if self.method == _STORED:
            return data
        decode = _METHODS.get(self.method)
        if decode is None:
            raise UnsupportedError(f"zip compression method {self.method} is not supported", where=self.name)
        return InflatedSource(data, partial(_sized, decode, self.size), budget)


@dataclass(frozen=True, slots=True, kw_only=True)
class ZipArchive(Archive):
    """A zip archive.

    Args:
        entries: Every reading of every entry: those of the directory in its order, then other readings of them, then
            entries that are not in the directory.
        anomalies: Sorted names of what lets readers differ:

            - ``control-in-name``: a name holds a control character (zipfile cuts it at the first zero byte)
            - ``data-outside``: bytes between entries, directory and end records that belong to none of them
            - ``directory-garbage``: bytes in the directory behind the promised entries
            - ``duplicate-name``, ``duplicate-name-ignoring-case``: several entries would be found by one name
            - ``encrypted``: an entry is marked as encrypted or masked, in one of its headers
            - ``entry-count``: the directory does not hold as many entries as the end record says
            - ``flags-mismatch``: the two headers of an entry differ about encryption
            - ``folder-with-content``: an entry is marked as a folder, of which PyTorch's reader takes no content and
              leaves the memory for it as it was
            - ``hidden-entry``: a local header in bytes that belong to no entry of the directory
            - ``method-mismatch``, ``name-mismatch``, ``size-mismatch``: the two headers of an entry differ, or a
              stored entry has two sizes
            - ``missing-entry``: the directory names an entry that has no local header
            - ``overlapping``: entries, directory or end records share bytes
            - ``patched``: an entry is marked as patch data
            - ``prefixed-data``: bytes in front of the first entry
            - ``several-directories``: readers would look for the directory at different places
            - ``several-end-records``: readers would take different end records
            - ``trailing-data``: bytes behind the archive's comment
            - ``truncated-entry``: an entry reaches over the end of the file
            - ``unknown-method``: a method of compression that neither zipfile nor PyTorch reads
            - ``unsafe-name``: a name is absolute or has ``..`` in it
            - ``zip64-inconsistent``: zip64 records or fields are missing, not where they should be, or contradict
    """

    entries: tuple[ZipEntry, ...]
    anomalies: tuple[str, ...]


def parse(source: RandomAccess, budget: Budget) -> ZipArchive:
    """Read the directory of a zip archive; the data of its entries are not read.

    Checksums, required versions and file attributes are not looked at, since PyTorch's reader does not.

    Args:
        source: The archive.
        budget: Pays for each entry.

    Raises:
        FormatError: No reader would take it for a zip archive.
        OverBudgetError: It has more entries, or a larger directory, than the budget allows.

    Source:
        APPNOTE.TXT 6.3.10 of PKWARE; CPython's Lib/zipfile; miniz_zip.c of richgel999/miniz as PyTorch uses it.
    """
    anomalies: set[str] = set()
    spans: list[Span] = []
    entries: dict[ZipEntry, None] = {}
    others: dict[ZipEntry, None] = {}
    for header in _all_headers(source, budget, anomalies, spans):
        first, *more = _entries(source, header, anomalies, spans)
        entries[first] = None
        others.update(dict.fromkeys(more))
    found = [*entries, *(each for each in others if each not in entries)]
    for offset, end in examine(source, spans, anomalies):
        budget.spend("entries", 1)
        found.append(_hidden(source, offset, end))
    _examine_names(entries, anomalies)
    return ZipArchive(entries=tuple(found), anomalies=tuple(sorted(anomalies)))


def _all_headers(source: RandomAccess, budget: Budget, anomalies: set[str], spans: list[Span]) -> dict[Header, None]:
    """Return the central headers of every reading of the directory that can be read to its end."""
    found: dict[Header, None] = {}
    failure = None
    readable: list[Directory] = []
    for reading in directories(source, anomalies):
        try:
            found.update(dict.fromkeys(headers(source, reading, budget, anomalies)))
        except FormatError as error:
            failure = error
            continue
        readable.append(reading)
    if failure and not readable:
        raise failure
    spans.extend(dict.fromkeys(Span(each.start, each.start + each.size) for each in readable if each.size))
    spans.extend(dict.fromkeys(Span(each.records, each.end) for each in readable))
    return found


def _entries(source: RandomAccess, central: Header, anomalies: set[str], spans: list[Span]) -> list[ZipEntry]:
    """Return the readings of one entry, first the one by its central header."""
    _examine_header(central, anomalies)
    if central.folder and central.size:
        anomalies.add("folder-with-content")
    local = local_header(source, central.offset, len(central.name))
    if local is None:
        anomalies.add("missing-entry")
        return [_entry(source, central, None)]
    end = local.offset + central.compressed_size
    if end > source.size:
        anomalies.add("truncated-entry")
    described = bool((central.flags | local.flags) & _DATA_DESCRIPTOR)
    sizes = (central.compressed_size, central.size) if described else None
    spans.append(Span(central.offset, min(end, source.size), sizes))
    readings = [_entry(source, central, local.offset)]
    if _differ(central, local, anomalies):
        readings.append(_entry(source, _completed(local, central), local.offset))
    if central.method == _STORED and central.size != central.compressed_size:
        anomalies.add("size-mismatch")
        swapped = Header(central.name, central.flags, _STORED, central.size, central.size, central.offset)
        readings.append(_entry(source, swapped, local.offset))
    return readings


def _examine_header(header: Header, anomalies: set[str]) -> None:
    if header.flags & _ENCRYPTED:
        anomalies.add("encrypted")
    if header.flags & _PATCHED:
        anomalies.add("patched")
    if header.saturated:
        anomalies.add("zip64-inconsistent")
    if header.method != _STORED and header.method not in _METHODS:
        anomalies.add("unknown-method")


def _differ(central: Header, local: Header, anomalies: set[str]) -> bool:
    """Tell whether a reader that goes by the local header would read something else; note what."""
    later = local.flags & _DATA_DESCRIPTOR  # sizes stand behind the data, and may be 0 here
    found = set()
    if local.name != central.name:
        found.add("name-mismatch")
    if local.method != central.method:
        found.add("method-mismatch")
    for theirs, ours in ((local.size, central.size), (local.compressed_size, central.compressed_size)):
        if theirs != ours and not (later and theirs == 0):
            found.add("size-mismatch")
    anomalies |= found
    if (local.flags ^ central.flags) & (_ENCRYPTED | _PATCHED):
        anomalies.add("flags-mismatch")
    _examine_header(local, anomalies)
    return bool(found)


def _completed(local: Header, central: Header) -> Header:
    """Return the local header with the sizes that it leaves to the data descriptor."""
    if local.size or local.compressed_size:
        return local
    return Header(
        local.name, local.flags, local.method, central.compressed_size, central.size, local.offset, local.saturated
    )


def _hidden(source: RandomAccess, offset: int, end: int) -> ZipEntry:
    """Return the entry at a local header that is not in the directory; without sizes it reaches as far as it can."""
    local = local_header(source, offset)
    if local is None:
        raise FormatError("the zip file breaks off in a local header")
    if local.compressed_size == 0 and local.flags & _DATA_DESCRIPTOR:
        room = max(0, end - local.offset)
        local = Header(local.name, local.flags, local.method, room, room, local.offset)
    return _entry(source, local, local.offset)


def _entry(source: RandomAccess, header: Header, offset: int | None) -> ZipEntry:
    return ZipEntry(
        name=_text(header),
        size=header.size,
        compressed_size=header.compressed_size,
        method=header.method,
        offset=offset,
        _source=source,
        crc=header.crc,
        attributes=header.attributes,
        alias=header.alias,
    )


def _text(header: Header) -> str:
    if header.flags & _UTF8:
        try:
            return header.name.decode("utf-8")
        except UnicodeDecodeError:
            pass  # zipfile would give up; miniz takes the bytes as they are
    return header.name.decode("cp437")


def _examine_names(entries: Iterable[ZipEntry], anomalies: set[str]) -> None:
    exact: set[str] = set()
    folded: set[str] = set()
    for entry in entries:
        name = entry.name
        if name in exact:
            anomalies.add("duplicate-name")
        elif name.lower() in folded:
            anomalies.add("duplicate-name-ignoring-case")
        exact.add(name)
        folded.add(name.lower())
        if _CONTROL.search(name):
            anomalies.add("control-in-name")
        parts = name.replace("\\", "/").split("/")
        if ".." in parts or (len(parts) > 1 and not parts[0]) or _DRIVE.match(name):
            anomalies.add("unsafe-name")


def _inflated(data: bytes, size: int) -> bytes:
    try:
        # One byte more shows that there is more.
        return zlib.decompressobj(-15).decompress(data, size + 1)
    except zlib.error as error:
        raise FormatError(f"the compressed data is damaged: {error}") from error


def _lzma(data: Input) -> Iterator[bytes]:
    head = data.take(4)
    properties = data.take(int.from_bytes(head[2:], "little"))
    return raw_lzma(data, [lzma1_filter(properties)], end_mark=False)


_METHODS: dict[int, Decode] = {_DEFLATED: DECODERS["deflate"], 12: bz2_stream, 14: _lzma}


def _sized(decode: Decode, size: int, data: Input) -> Iterator[bytes]:
    """Decode and compare with the promised size, at which zipfile stops and which miniz demands."""
    total = 0
    # LZMA without an end mark goes on for a few bytes that mean nothing, and zipfile is the only reader of it.
    for chunk in limited(decode(data), size) if decode is _lzma else decode(data):
        total += len(chunk)
        yield chunk
    if total != size:
        raise FormatError("the zip entry does not unpack to the size that the directory says")
