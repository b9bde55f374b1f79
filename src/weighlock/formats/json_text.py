"""JSON texts, such as the configuration of a model: parsed within a budget, and nothing that they say is lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from weighlock.errors import FormatError, OverBudgetError

if TYPE_CHECKING:
    from weighlock.formats.source import Budget, Source

LARGEST = 64 << 20
"""Bytes; the largest honest ones are tokenizers with some 30 MB."""

_STEP = 1 << 18
_LONGEST_INTEGER = 4300  # digits, as `int` takes by default
_BYTES_OF_A_VALUE = 64


class JsonObject(list[tuple[str, object]]):
    """An object with its members in their order, repeated names included: readers differ in which one they take."""

    __slots__ = ()

    def every(self, name: str) -> list[object]:
        """Return every value under a name; there is more than one where it is repeated."""
        return [value for key, value in self if key == name]


def parse(source: Source, budget: Budget) -> object:
    """Parse one JSON text as Python reads its bytes, with all its leniency: NaN, Infinity, halves of surrogate pairs.

    Args:
        source: All bytes of the text.
        budget: What it may cost.

    Returns:
        ``None``, `bool`, `int`, `float`, `str`, `list` or `JsonObject`; an integer that is longer than Python takes is
        infinity.

    Raises:
        FormatError: It is no JSON.
        OverBudgetError: It is too large or nested too deeply.

    Source:
        RFC 8259; json/__init__.py and json/decoder.py of CPython.
    """
    data = _all_bytes(source)
    budget.spend("retained", _BYTES_OF_A_VALUE * (data.count(b",") + data.count(b"[") + data.count(b"{")))
    # Control characters in strings are an error of `json.loads` and none of other readers.
    try:
        text = data.decode(json.detect_encoding(data), "surrogatepass")
        return json.loads(text, object_pairs_hook=JsonObject, parse_int=_integer, strict=False)
    except RecursionError:
        raise OverBudgetError("the JSON is nested too deeply") from None
    except ValueError as error:
        raise FormatError(f"it is not JSON: {error}") from error


def _all_bytes(source: Source) -> bytes:
    if (source.size or 0) > LARGEST:
        raise OverBudgetError("the JSON is larger than 64 MB")
    stream, parts, total = source.open(), [], 0
    while part := stream.read(_STEP):
        total += len(part)
        if total > LARGEST:
            raise OverBudgetError("the JSON is larger than 64 MB")
        parts.append(part)
    return b"".join(parts)


def _integer(text: str) -> int | float:
    return int(text) if len(text) <= _LONGEST_INTEGER else float("inf")
