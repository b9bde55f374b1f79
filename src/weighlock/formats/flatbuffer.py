"""Flatbuffers: tables, vectors and texts at offsets, each checked before it is followed."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from weighlock.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.formats.source import RandomAccess

_LONGEST_TEXT = 4096
_LONGEST_VECTOR = 100_000


def identifier(head: bytes) -> bytes:
    """Return the four bytes that name the schema."""
    return head[4:8]


class Table:
    """A table: fields by their number, any of which may be missing.

    Args:
        source: The whole buffer.
        position: Of the table.
    """

    def __init__(self, source: RandomAccess, position: int) -> None:
        self._source = source
        self._position = position
        self._layout = position - _number(source, position, "<i")
        self._fields = (_number(source, self._layout, "<H") - 4) // 2

    @classmethod
    def root(cls, source: RandomAccess) -> Table:
        """Return the table that the buffer begins with.

        Raises:
            FormatError: It lies outside of the buffer.

        Source:
            "FlatBuffer Internals" of the FlatBuffers documentation.
        """
        return cls(source, _number(source, 0, "<I"))

    def number(self, field: int, code: str) -> int:
        """Return a number; 0 where the field is missing.

        Args:
            field: Its number.
            code: How `struct` reads it.

        Raises:
            FormatError: It lies outside of the buffer.
        """
        place = self._place(field)
        return 0 if place is None else _number(self._source, place, code)

    def text(self, field: int, longest: int = _LONGEST_TEXT) -> str:
        """Return a text, in which bytes that are not UTF-8 are escaped; empty where the field is missing.

        Raises:
            FormatError: It lies outside of the buffer, or has more than `longest` bytes.
        """
        place = self._target(field)
        if place is None:
            return ""
        size = _number(self._source, place, "<I")
        if size > longest:
            raise FormatError("a text of the flatbuffer is too long")
        return self._source.read_at(place + 4, size).decode("utf-8", "backslashreplace")

    def tables(self, field: int) -> Iterator[Table]:
        """Yield the tables of a vector.

        Raises:
            FormatError: One lies outside of the buffer, or there are too many.
        """
        place = self._target(field)
        if place is None:
            return
        count = _number(self._source, place, "<I")
        if count > _LONGEST_VECTOR:
            raise FormatError("a vector of the flatbuffer is too long")
        for item in range(place + 4, place + 4 + 4 * count, 4):
            yield Table(self._source, item + _number(self._source, item, "<I"))

    def _place(self, field: int) -> int | None:
        """Return where a field stands, or ``None`` where the table does not have it."""
        if field >= self._fields:
            return None
        offset = _number(self._source, self._layout + 4 + 2 * field, "<H")
        return self._position + offset if offset else None

    def _target(self, field: int) -> int | None:
        """Return where the offset that stands in a field leads to."""
        place = self._place(field)
        return None if place is None else place + _number(self._source, place, "<I")


def _number(source: RandomAccess, offset: int, code: str) -> int:
    size = struct.calcsize(code)
    data = source.read_at(offset, size) if 0 <= offset <= source.size - size else b""
    if len(data) != size:
        raise FormatError("an offset of the flatbuffer leads out of it")
    number: int = struct.unpack(code, data)[0]
    return number
