"""Numbers of entries, packed: each as its distance from the one before, in as few bytes as that takes.

Source:
    LEB128, as in DWARF 5, section 7.6, without signs.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def pack(numbers: Sequence[int]) -> bytes:
    """Return numbers that grow as bytes; what was packed twice and put together unpacks to all of them.

    Args:
        numbers: At least one, each larger than the one before.
    """
    packed, before = bytearray(_varint(len(numbers))), 0
    for number in numbers:
        step = number - before
        if step < 0x80:
            packed.append(step)
        else:
            packed += _varint(step)
        before = number
    return bytes(packed)


def unpack(data: bytes) -> list[int]:
    """Return the numbers.

    Raises:
        ValueError: It is nothing that `pack` made.
    """
    values = list(_values(data))
    numbers: list[int] = []
    place = 0
    while place < len(values):
        count, number = values[place], 0
        steps = values[place + 1 : place + 1 + count]
        if not count or len(steps) != count:
            raise ValueError("packed numbers end early")
        for step in steps:
            number += step
            numbers.append(number)
        place += 1 + count
    return numbers


def first(data: bytes) -> int:
    """Return the first of packed numbers, without unpacking the others.

    Raises:
        ValueError: It is nothing that `pack` made.
    """
    values = list(islice(_values(data), 2))
    if len(values) != 2 or not values[0]:
        raise ValueError("packed numbers end early")
    return values[1]


def runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Return the first and the last number of each run without a hole.

    Args:
        numbers: In any order.
    """
    found: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if found and number == found[-1][1] + 1:
            found[-1] = found[-1][0], number
        else:
            found.append((number, number))
    return found


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _values(data: bytes) -> Iterable[int]:
    value = shift = 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            yield value
            value = shift = 0
        elif shift > 63:
            raise ValueError("a packed number is too large")
    if shift:
        raise ValueError("packed numbers end early")
