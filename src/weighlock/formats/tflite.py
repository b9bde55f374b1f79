"""TFLite models: which ops they use. A flatbuffer, of which only the table of ops is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.errors import FormatError
from weighlock.formats.flatbuffer import Table, identifier

if TYPE_CHECKING:
    from weighlock.formats.source import Budget, RandomAccess

MAGIC = b"TFL3"
"""At offset 4; the interpreter takes no file without it."""

CUSTOM = 32
_OPERATOR_CODES = 1  # field of Model
_OLD_CODE, _NAME, _CODE = 0, 1, 3  # fields of OperatorCode
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
    if identifier(source.read_at(0, 8)) != MAGIC:
        raise FormatError("the file does not begin as a TFLite model")
    found = []
    for table in Table.root(source).tables(_OPERATOR_CODES):
        budget.spend("opcodes", 32)
        found.append(_op(table))
    return found


def _op(table: Table) -> TfliteOp:
    # schema_utils.cc, GetBuiltinCode: the larger one of the old field of one byte and the new one.
    code = max(table.number(_OLD_CODE, "<B"), table.number(_CODE, "<I"))
    return TfliteOp(code=code, name=table.text(_NAME, _LONGEST_NAME))
