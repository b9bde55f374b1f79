"""The wire format of Protocol Buffers: fields of a message, without its schema."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from weighlock.errors import FormatError, UnsupportedError
from weighlock.formats.source import RandomAccess

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.formats.source import Budget

    Data = RandomAccess | memoryview

VARINT, FIXED64, BYTES, GROUP, END_GROUP, FIXED32 = range(6)

_IN_MEMORY = 1 << 20
_LONGEST_HEAD = 20
_LARGEST_TEXT = 1 << 20
_DEEPEST = 100  # as deep as protobuf itself goes

# What one field costs of the budget for opcodes.
_COST = 2

# Fields that hold numbers, one behind the other. Bytes that are no message at all may look like millions of them.
_VALUES = {VARINT: rb"[\x80-\xff]{0,9}[\x00-\x7f]", FIXED64: rb"[\s\S]{8}", FIXED32: rb"[\s\S]{4}"}


def _tags(wire: int) -> bytes:
    """Return the pattern of tags of one byte or two; others go the long way."""
    one, first = (
        b"".join(b"\\x%02x" % byte for byte in range(start + wire, stop, 8)) for start, stop in ((8, 128), (128, 256))
    )
    return b"(?:[%b]|[%b][\x01-\x7f])" % (one, first)


_NUMBERS = re.compile(b"(?:%b)+" % b"|".join(_tags(wire) + value for wire, value in _VALUES.items()))
_RUN = 1 << 16
_RUN_COST = 32  # bytes of such a run for one opcode


def fields(data: Data, budget: Budget, *, numbers: bool = True) -> Iterator[tuple[int, int | Data]]:
    """Return the fields of a message in their order: number, and the number or the bytes that it holds.

    A field that is there several times is returned several times; readers take the last one, merge them, or make a
    list of them, as the schema says. Groups, which nobody writes any more, are passed over as every reader does.

    Args:
        data: The message; parts of it that are large stay where they are.
        budget: Pays for each field.
        numbers: Whether fields that hold numbers are returned; who needs none of them gets past them faster.

    Raises:
        FormatError: It breaks off, or is no message.
        UnsupportedError: It holds groups in groups in groups, without an end.

    Source:
        https://protobuf.dev/programming-guides/encoding/.
    """
    if isinstance(data, RandomAccess) and data.size <= _IN_MEMORY:
        data = memoryview(data.read_at(0, data.size))
    size = data.size if isinstance(data, RandomAccess) else len(data)
    place = 0
    groups: list[int] = []
    while place < size:
        budget.spend("opcodes", _COST)
        head = _part(data, place, _LONGEST_HEAD)
        if not numbers and not groups and (run := _run(data, place, head)):
            budget.spend("opcodes", run // _RUN_COST)
            place += run
            continue
        tag, offset = varint(head, 0)
        number, wire = tag >> 3, tag & 7
        if not number:
            raise FormatError("a field of a message has the number 0")
        if wire in {GROUP, END_GROUP} or groups:
            place += _pass_grouped(number, wire, groups, head, offset)
            continue
        if wire == VARINT:
            value, offset = varint(head, offset)
            yield number, value
        elif wire == BYTES:
            length, offset = varint(head, offset)
            if length > size - place - offset:
                raise FormatError("a field of a message breaks off")
            yield number, _slice(data, place + offset, length)
            offset += length
        elif wire in {FIXED64, FIXED32}:
            width = 8 if wire == FIXED64 else 4
            if width > size - place - offset:
                raise FormatError("a field of a message breaks off")
            yield number, int.from_bytes(_part(data, place + offset, width), "little")
            offset += width
        else:
            raise FormatError(f"a message has a field of the wire type {wire}")
        place += offset
    if groups or place > size:
        raise FormatError("a message breaks off")


def _run(data: Data, place: int, head: memoryview) -> int:
    """Return how many bytes from a place on are whole fields that hold numbers, as far as one looks."""
    found = _NUMBERS.match(head)
    if found is None or len(head) < _LONGEST_HEAD:
        return found.end() if found else 0
    found = _NUMBERS.match(_part(data, place, _RUN))
    return found.end() if found else 0


def _pass_grouped(number: int, wire: int, groups: list[int], head: memoryview, offset: int) -> int:
    """Pass over the begin or end of a group, or a field in one, and return its length."""
    if wire == GROUP:
        if len(groups) >= _DEEPEST:
            raise UnsupportedError("groups of a message are nested too deeply")
        groups.append(number)
    elif wire == END_GROUP:
        if not groups or groups.pop() != number:
            raise FormatError("a group of a message ends that did not begin")
    elif wire == VARINT:
        _, offset = varint(head, offset)
    elif wire == BYTES:
        length, offset = varint(head, offset)
        offset += length
    elif wire in {FIXED64, FIXED32}:
        offset += 8 if wire == FIXED64 else 4
    else:
        raise FormatError(f"a message has a field of the wire type {wire}")
    return offset


def varint(data: memoryview, offset: int) -> tuple[int, int]:
    """Return a number of variable length, and the offset behind it.

    Raises:
        FormatError: It breaks off, or has more than ten bytes.
    """
    value = shift = 0
    for each in data[offset : offset + 10]:
        value |= (each & 127) << shift
        shift += 7
        if each < 128:
            return value & ((1 << 64) - 1), offset + shift // 7
    raise FormatError("a number in a message breaks off")


def text(value: int | Data) -> str:
    """Return a field as text; what is not UTF-8 is escaped.

    Raises:
        FormatError: It is a number, or longer than names are.
    """
    return content(value).decode("utf-8", "backslashreplace")


def content(value: int | Data, most: int = _LARGEST_TEXT) -> bytes:
    """Return the bytes of a field.

    Raises:
        FormatError: It is a number, or has more bytes than `most`.
    """
    if isinstance(value, int):
        raise FormatError("a field of a message is a number where bytes are expected")
    size = value.size if isinstance(value, RandomAccess) else len(value)
    if size > most:
        raise FormatError("a field of a message is longer than it can be")
    return bytes(_part(value, 0, size))


def message(value: int | Data) -> Data:
    """Return a field that holds a message.

    Raises:
        FormatError: It is a number.
    """
    if isinstance(value, int):
        raise FormatError("a field of a message is a number where a message is expected")
    return value


def _part(data: Data, start: int, size: int) -> memoryview:
    if isinstance(data, RandomAccess):
        return memoryview(data.read_at(start, size))
    return data[start : start + size]


def _slice(data: Data, start: int, size: int) -> Data:
    return data.slice(start, size) if isinstance(data, RandomAccess) else data[start : start + size]
