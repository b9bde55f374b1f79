"""Entries of a checkpoint that are no tensors, as JSON, where that loses nothing but what the documentation names."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from weighlock.errors import OverBudgetError, UnsupportedError
from weighlock.formats.torch_checkpoint import DictNode, ListNode, Node, Other, TensorView

if TYPE_CHECKING:
    from collections.abc import Mapping

# The same list may stand at many places, so that few bytes could become a document without end.
_MOST_VALUES = 200_000

# JSON readers in general keep no more.
_LARGEST_INTEGER = 1 << 63


def to_json(node: Node) -> Any:
    """Return what `json` writes for a plain value; tuples become lists.

    Raises:
        UnsupportedError: It holds a tensor, bytes, keys that are no text, or anything else that JSON has no form for.
        OverBudgetError: It holds very many values.
    """
    return _Writer().value(node)


def unfit(items: Mapping[object, Node]) -> list[object]:
    """Return the keys of what JSON cannot hold; all values together have the budget of one document."""
    writer = _Writer()
    found = []
    for key, item in items.items():
        try:
            writer.value(item)
        except (UnsupportedError, OverBudgetError):
            found.append(key)
    return found


class _Writer:
    def __init__(self) -> None:
        self._left = _MOST_VALUES

    def value(self, node: Node) -> Any:
        self._left -= 1
        if self._left < 0:
            raise OverBudgetError("over the budget for side data")
        match node:
            case DictNode():
                return {self._key(key): self.value(item) for key, item in node.items.items()}
            case ListNode():
                return [self.value(item) for item in node.items]
            case tuple():
                return [self.value(item) for item in node]
            case None | bool():
                return node
            case str():
                return _text(node)
            case int() | float():
                return _number(node)
        raise UnsupportedError(f"holds {_what(node)}, which JSON cannot hold")

    def _key(self, key: object) -> str:
        if not isinstance(key, str):
            raise UnsupportedError("holds a dict with keys that are no text, which JSON cannot hold")
        return _text(key)


def _text(value: str) -> str:
    if any("\ud800" <= each <= "\udfff" for each in value):
        raise UnsupportedError("holds a text that is not Unicode, which JSON cannot hold")
    return value


def _number(value: float) -> float:
    if not -_LARGEST_INTEGER <= value < 2 * _LARGEST_INTEGER if isinstance(value, int) else not math.isfinite(value):
        raise UnsupportedError("holds a number that JSON cannot hold")
    return value


def _what(node: Node) -> str:
    if isinstance(node, TensorView):
        return "tensors"
    return node.what if isinstance(node, Other) else f"a {type(node).__name__}"
