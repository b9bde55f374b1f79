"""Zip archives one behind the other, as distributed checkpoints keep one for each tensor in a ``.distcp`` file."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from weighlock.errors import FormatError

if TYPE_CHECKING:
    from weighlock.formats.source import Budget, RandomAccess

_LOCAL, _ENTRY = b"PK\x03\x04", b"PK\x01\x02"
_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")


class _Part(NamedTuple):
    """One archive of a row: where it begins, and its directory as its own records place it."""

    start: int
    directory: int
    size: int


def parse(source: RandomAccess, budget: Budget) -> list[RandomAccess]:
    """Split a row of archives into its archives.

    It has to be whole: no byte in front, between or behind, no comments, and nothing that a reader which takes the
    whole for one archive would find elsewhere.

    Args:
        source: All archives.
        budget: Pays for each of them.

    Raises:
        FormatError: It is one archive, or no such row.
        OverBudgetError: There are too many.

    Source:
        APPNOTE.TXT 6.3.10 of PKWARE; ``torch/distributed/checkpoint/filesystem.py`` of PyTorch 2.13.
    """
    bounds = parts_of(source, budget)
    if len(bounds) < 2:
        raise FormatError("it is not a row of zip archives")
    return [source.slice(start, end - start) for start, end in bounds]


def parts_of(source: RandomAccess, budget: Budget) -> list[tuple[int, int]]:
    """Return where the archives of a row begin and end, see `parse`; a single archive is a row of one.

    Raises:
        FormatError: It is no such row.
        OverBudgetError: There are too many.

    Source:
        See `parse`.
    """
    parts: list[_Part] = []
    bounds: list[tuple[int, int]] = []
    end = source.size
    while end:
        budget.spend("entries", 1)
        part = _part_before(source, end)
        parts.append(part)
        bounds.append((part.start, end))
        end = part.start
    if not parts:
        raise FormatError("it is empty")
    _require_one_reading(source, parts[0], parts[-1])
    return bounds[::-1]


def _part_before(source: RandomAccess, end: int) -> _Part:
    place = end - _END.size
    if place < 0:
        raise FormatError("there is no end record")
    magic, disk, other, _, _, size, offset, comment = _END.unpack(source.read_at(place, _END.size))
    if magic != b"PK\x05\x06" or disk or other or comment:
        raise FormatError("there is no plain end record")
    records, shift = place, None
    locator = source.read_at(place - _LOCATOR.size, _LOCATOR.size) if place >= _LOCATOR.size else b""
    if locator.startswith(b"PK\x06\x07"):
        # torch writes these records always, right in front.
        records = place - _LOCATOR.size - _END64.size
        fields = _END64.unpack(source.read_at(records, _END64.size)) if records >= 0 else (b"",)
        if fields[0] != b"PK\x06\x06" or fields[1] != _END64.size - 12:
            raise FormatError("the zip64 records are not where they should be")
        size, offset = fields[8], fields[9]
        shift = records - _LOCATOR.unpack(locator)[2]
    directory = records - size
    start = directory - offset
    if start < 0 or directory < start or (shift is not None and shift != start):
        raise FormatError("the records do not agree")
    if source.read_at(start, 4) != _LOCAL or source.read_at(directory, 4) != _ENTRY:
        raise FormatError("there is no archive in front of an end record")
    return _Part(start, offset, size)


def _require_one_reading(source: RandomAccess, last: _Part, first: _Part) -> None:
    """Demand that the last directory's own offset, taken from the start of the whole, leads to no directory.

    The directory of the first archive is all right: its offsets lead to its own members, which are judged.
    """
    if last.start == 0 or (last.directory, last.size) == (first.directory, first.size):
        return
    if source.read_at(last.directory, 4) in {_ENTRY, b"PK\x06\x06"}:
        raise FormatError("a reader could take another directory for that of the whole")
    wide = last.directory + last.size
    if source.read_at(wide, 4) == b"PK\x06\x06":
        raise FormatError("a reader could take another record for that of the whole")
