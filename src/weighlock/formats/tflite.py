"""TFLite models: which ops they use. A flatbuffer, of which only the table of ops is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.errors import FormatError

if TYPE_CHECKING:
    from weighlock.formats.source import Budget, RandomAccess

MAGIC = b"TFL3"
"""At offset 4; the interpreter takes no file without it."""

CUSTOM = 32
_MOST_OPS = 100_000
_LONGEST_NAME = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class TfliteOp:
    """An op that a model uses.

    Args:
        code: The number of a builtin op, `CUSTOM` for all others.
        name: Of a custom op.
    """

    code: int
    name: str = ""


def parse(source: RandomAccess, budget: Budget) -> list[TfliteOp]:
    """Read the table of ops.

    Args:
        source: The file.
        budget: Pays for each op.

    Raises:
        FormatError: An offset leads outside of the file, or it is no such file.

    Source:
        ``tensorflow/lite/schema/schema.fbs``, ``Model`` and ``OperatorCode``; the binary format of FlatBuffers.
    """
    buffer = _Buffer(source)
    if source.read_at(4, 4) != MAGIC:
        raise FormatError("the file does not begin as a TFLite model")
    codes = buffer.field(buffer.follow(0), 1)
    if codes is None:
        return []
    vector = buffer.follow(codes)
    count = buffer.number(vector, 4)
    if count > _MOST_OPS:
        raise FormatError("a TFLite model has more than 100000 kinds of ops")
    found = []
    for index in range(count):
        budget.spend("opcodes", 32)
        found.append(_op(buffer, buffer.follow(vector + 4 + 4 * index)))
    return found


def _op(buffer: _Buffer, table: int) -> TfliteOp:
    old, name, code = buffer.field(table, 0), buffer.field(table, 1), buffer.field(table, 3)
    # schema_utils.cc, GetBuiltinCode: the larger one of the old field of one byte and the new one.
    number = max(buffer.number(old, 1) if old else 0, buffer.number(code, 4) if code else 0)
    return TfliteOp(code=number, name=buffer.text(name) if name else "")


class _Buffer:
    def __init__(self, source: RandomAccess) -> None:
        self._source = source

    def number(self, offset: int, size: int) -> int:
        data = self._source.read_at(offset, size)
        if len(data) < size:
            raise FormatError("an offset in a TFLite model leads outside of it")
        return int.from_bytes(data, "little")

    def follow(self, offset: int) -> int:
        """Return where the offset that stands at an offset leads to."""
        return offset + self.number(offset, 4)

    def field(self, table: int, index: int) -> int | None:
        """Return where a field of a table stands, or ``None`` where the table does not have it."""
        distance = self.number(table, 4)
        layout = table - (distance - (1 << 32) if distance >= 1 << 31 else distance)
        if layout < 0:
            raise FormatError("an offset in a TFLite model leads outside of it")
        entry = 4 + 2 * index
        if entry + 2 > self.number(layout, 2):
            return None
        place = self.number(layout + entry, 2)
        return table + place if place else None

    def text(self, offset: int) -> str:
        place = self.follow(offset)
        size = self.number(place, 4)
        if size > _LONGEST_NAME:
            raise FormatError("the name of an op of a TFLite model is too long")
        return self._source.read_at(place + 4, size).decode("utf-8", "backslashreplace")
