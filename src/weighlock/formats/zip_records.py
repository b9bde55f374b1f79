"""The records of a zip file: where its central directory lies, in every reading, and what stands in it.

Source:
    APPNOTE.TXT 6.3.10 of PKWARE, sections 4.3.7 (local file header) to 4.3.16 (end of central directory record).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.errors import FormatError, OverBudgetError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.formats.source import Budget, RandomAccess

LOCAL_MAGIC = b"PK\x03\x04"

_ENTRY_MAGIC = b"PK\x01\x02"
_END_MAGIC = b"PK\x05\x06"
_END64_MAGIC = 0x06064B50
_LOCATOR_MAGIC = 0x07064B50

_ENTRY = struct.Struct("<I6H3I5H2I")
_LOCAL = struct.Struct("<I5H3I2H")
_END = struct.Struct("<I4H2IH")
_END64 = struct.Struct("<IQ2H2I4Q")
_LOCATOR = struct.Struct("<IIQI")

_TAIL = _END.size + 0xFFFF  # the end record with the longest comment
_ENDS = 4  # end records whose comment ends with the file; a genuine file has one
_DIRECTORY = 32 << 20
_FULL32 = 0xFFFFFFFF
_FOLDER = 0x10  # of DOS, which is all that miniz looks at
_SPARE = 128  # of a name, more than was expected
_WIDE, _UNICODE_PATH = 0x0001, 0x7075  # tags of extra fields
_EXTRA = 8 << 10  # of extra fields that are searched; torch may pad them to a page


@dataclass(frozen=True, slots=True)
class Directory:
    """One reading of where the central directory lies.

    Args:
        start: Offset of its first byte.
        size: Bytes.
        shift: What this reading adds to the offsets of local headers.
        count: Entries that the end record promises.
        records: Offset of the first end record.
        end: Offset behind the comment.
    """

    start: int
    size: int
    shift: int
    count: int
    records: int
    end: int


@dataclass(frozen=True, slots=True)
class Header:
    """What a central or a local header says about an entry.

    Args:
        name: As it is in the file.
        flags: General purpose bits.
        method: Of compression.
        compressed_size: Bytes.
        size: Bytes of the content.
        offset: Of the local header, for a central header; of the data, for a local one.
        saturated: A size or offset should be in a zip64 field that is not there.
        folder: It is marked as a folder, by its attributes or its name; miniz reads no content of one.
        crc: Of the content, in a central header.
        attributes: The external ones of a central header: of Unix in the upper half.
        alias: The name in a Unicode path field of a central header, which newer releases of zipfile take for the name.
    """

    name: bytes
    flags: int
    method: int
    compressed_size: int
    size: int
    offset: int
    saturated: bool = False
    folder: bool = False
    crc: int = 0
    attributes: int = 0
    alias: bytes | None = None


def directories(source: RandomAccess, anomalies: set[str]) -> list[Directory]:
    """Return every place where some reader would look for the central directory and find one.

    Raises:
        FormatError: There is none.
        OverBudgetError: There are more end records than a genuine file can have.
    """
    found = [each for record in _end_records(source, anomalies) for each in _readings(source, record, anomalies)]
    unique = list(dict.fromkeys(each for each in found if _starts_a_directory(source, each)))
    if not unique:
        raise FormatError("the zip file has no central directory")
    if len({(each.start, each.size, each.shift) for each in unique}) > 1:
        anomalies.add("several-directories")
    return unique


def _end_records(source: RandomAccess, anomalies: set[str]) -> list[int]:
    """Return the offset of the last end record, which most readers take, and of those that end with the file."""
    start = max(0, source.size - _TAIL)
    tail = source.read_at(start, _TAIL)
    last, exact = -1, []
    position = tail.find(_END_MAGIC)
    while 0 <= position <= len(tail) - _END.size:
        last = position
        if position + _END.size + int.from_bytes(tail[position + 20 : position + 22], "little") == len(tail):
            exact.append(position)
        position = tail.find(_END_MAGIC, position + 1)
    if last < 0:
        raise FormatError("the zip file has no end record")
    if len(exact) > _ENDS:
        raise OverBudgetError("the zip file has too many end records")
    records = list(dict.fromkeys([last, *exact]))
    if len(records) > 1:
        anomalies.add("several-end-records")
    return [start + each for each in records]


def _readings(source: RandomAccess, record: int, anomalies: set[str]) -> Iterator[Directory]:
    """Yield what readers make of one end record: with and without zip64, by offset and by what lies before it."""
    _, _, _, _, count, size, offset, comment = _END.unpack(source.read_at(record, _END.size))
    end = record + _END.size + comment
    values32 = (count, size, offset)
    values64 = _zip64(source, record, anomalies)
    for start, values in values64:
        yield from _placements(start, values, record - _END64.size - _LOCATOR.size, end)
    if not values64 or not _agree(values32, values64[0][1]):
        if values64:
            anomalies.add("zip64-inconsistent")
        yield from _placements(record, values32, record, end)


def _zip64(source: RandomAccess, record: int, anomalies: set[str]) -> list[tuple[int, tuple[int, int, int]]]:
    """Return offset and values of the zip64 end records: the one before the locator and the one it points to."""
    locator = source.read_at(record - _LOCATOR.size, _LOCATOR.size) if record >= _LOCATOR.size else b""
    if len(locator) < _LOCATOR.size or _LOCATOR.unpack(locator)[0] != _LOCATOR_MAGIC:
        return []
    pointed = _LOCATOR.unpack(locator)[2]
    found = []
    for start in dict.fromkeys((record - _LOCATOR.size - _END64.size, pointed)):
        data = source.read_at(start, _END64.size) if 0 <= start < source.size else b""
        if len(data) == _END64.size and _END64.unpack(data)[0] == _END64_MAGIC:
            found.append((start, _END64.unpack(data)[7:]))
    if len(found) != 1 or found[0][0] != pointed:
        anomalies.add("zip64-inconsistent")
    return found


def _agree(values32: tuple[int, int, int], values64: tuple[int, int, int]) -> bool:
    full = (0xFFFF, _FULL32, _FULL32)
    return all(a in (b, limit) for a, b, limit in zip(values32, values64, full, strict=True))


def _placements(records: int, values: tuple[int, int, int], usual: int, end: int) -> Iterator[Directory]:
    """Yield a directory just before the end records, as zipfile has it, and one at its offset, as others have it."""
    count, size, offset = values
    for start in dict.fromkeys((records - size, usual - size, offset)):
        yield Directory(start, size, start - offset, count, records, end)


def _starts_a_directory(source: RandomAccess, reading: Directory) -> bool:
    if reading.start < 0 or reading.start + reading.size > source.size:
        return False
    return reading.size == 0 or source.read_at(reading.start, 4) == _ENTRY_MAGIC


def headers(source: RandomAccess, reading: Directory, budget: Budget, anomalies: set[str]) -> list[Header]:
    """Return the central headers of one reading of the directory.

    Raises:
        FormatError: The directory breaks off.
        OverBudgetError: It has more entries than the budget allows.
    """
    if reading.count > budget.entries or reading.size > _DIRECTORY:
        raise OverBudgetError("over the budget for entries")
    data = source.read_at(reading.start, reading.size)
    found: list[Header] = []
    position = 0
    while position < len(data):
        if len(data) - position < _ENTRY.size or data[position : position + 4] != _ENTRY_MAGIC:
            if not found or len(found) < reading.count:
                raise FormatError("the zip directory breaks off")
            anomalies.add("directory-garbage")
            break
        budget.spend("entries", 1)
        header, position = _central(data, position, reading.shift)
        found.append(header)
    if reading.count not in (len(found), 0xFFFF):
        anomalies.add("entry-count")
    return found


def _central(data: bytes, position: int, shift: int) -> tuple[Header, int]:
    fields = _ENTRY.unpack_from(data, position)
    flags, method, packed, size, offset = fields[3], fields[4], fields[8], fields[9], fields[16]
    name_end = position + _ENTRY.size + fields[10]
    extra_end = name_end + fields[11]
    saturated = False
    extra = data[name_end:extra_end]
    if _FULL32 in (size, packed, offset):
        (size, packed, offset), saturated = _wide(extra, [size, packed, offset])
    name = data[position + _ENTRY.size : name_end]
    attributes = fields[15]
    folder = bool(attributes & _FOLDER) or name.endswith(b"/")
    alias = _extra_field(extra, _UNICODE_PATH)[5:] if extra else b""  # behind a version and a checksum
    header = Header(
        name, flags, method, packed, size, offset + shift, saturated, folder, fields[7], attributes, alias or None
    )
    return header, extra_end + fields[12]


def _wide(extra: bytes, values: list[int]) -> tuple[list[int], bool]:
    """Replace saturated values, in their order, by those of the zip64 field; tell whether one is missing."""
    field = _extra_field(extra, _WIDE)
    for index, value in enumerate(values):
        if value == _FULL32:
            if len(field) < 8:
                return values, True
            values[index] = int.from_bytes(field[:8], "little")
            field = field[8:]
    return values, False


def _extra_field(extra: bytes, wanted: int) -> bytes:
    position = 0
    while position + 4 <= len(extra):
        tag, length = struct.unpack_from("<HH", extra, position)
        position += 4
        if tag == wanted:
            return extra[position : position + length]
        position += length
    return b""


def local_header(source: RandomAccess, offset: int, expected_name: int = _SPARE) -> Header | None:
    """Return what the local header at an offset says, or ``None`` where there is none.

    Many entries of a hostile directory may point to one header with a long name, so only as much of it is kept
    as shows that it is another name.

    Args:
        source: The zip file.
        offset: Of the header.
        expected_name: Bytes of the name, as far as the directory told.
    """
    data = source.read_at(offset, _LOCAL.size + expected_name + _SPARE) if offset >= 0 else b""
    if len(data) < _LOCAL.size or data[:4] != LOCAL_MAGIC:
        return None
    _, _, flags, method, _, _, _, packed, size, name_size, extra_size = _LOCAL.unpack_from(data)
    name_end = _LOCAL.size + name_size
    saturated = False
    if _FULL32 in (packed, size):
        extra = source.read_at(offset + name_end, min(extra_size, _EXTRA))
        (size, packed), saturated = _wide(extra, [size, packed])
    return Header(data[_LOCAL.size : name_end], flags, method, packed, size, offset + name_end + extra_size, saturated)
