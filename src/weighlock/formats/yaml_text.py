"""YAML texts of strangers, such as the front matter of a model card: no object is made, and nothing is repeated.

Values are built from the events of the parser, and not by a loader of YAML: a tag makes nothing, an alias (with which
a kilobyte unfolds to gigabytes) is refused, and times stay the text that they are.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from weighlock.errors import FormatError, OverBudgetError
from weighlock.formats.json_text import JsonObject

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST = 2 << 20
"""Bytes; the largest honest front matters, with thousands of results, have some 600 kB."""

_MOST_EVENTS = 300_000
_DEEPEST = 24
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "false": False}
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,18})\Z")
_FLOAT = re.compile(r"[-+]?(?:[0-9]{1,40}\.[0-9]{0,40}|\.[0-9]{1,40}|[0-9]{1,40})(?:[eE][-+]?[0-9]{1,4})?\Z")


def parse(data: bytes) -> object:
    """Return what the one document of a text says.

    Args:
        data: All of it.

    Returns:
        ``None``, `bool`, `int`, `float`, `str`, `list` or `JsonObject`, with repeated keys, as a JSON text would be.

    Raises:
        FormatError: It is no YAML, not UTF-8, or uses aliases.
        OverBudgetError: It is too large, too deep or has too many values.

    Source:
        YAML 1.2.2, the core schema for which plain scalars are numbers.
    """
    if len(data) > LARGEST:
        raise OverBudgetError(f"the YAML is larger than {LARGEST >> 20} MB")
    import yaml

    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError("the YAML is not UTF-8") from error
    try:
        return _Builder().run(yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except yaml.YAMLError as error:
        raise FormatError(f"it is not YAML: {_line_of(error)}") from error
    except (ValueError, RecursionError) as error:
        raise FormatError(f"it is not YAML: {type(error).__name__}") from error


def _line_of(error: Any) -> str:
    """Return what is wrong in a few words; the parser's own account repeats the text."""
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read")[:120]
    mark = getattr(error, "problem_mark", None)
    return f"{problem} in line {mark.line + 1}" if mark is not None else problem


class _Builder:
    """Makes values of events, without recursion."""

    def __init__(self) -> None:
        self._stack: list[JsonObject | list[object]] = []
        self._keys: list[object] = []
        self._documents: list[object] = []

    def run(self, events: Iterator[Any]) -> object:
        for number, event in enumerate(events):
            if number > _MOST_EVENTS:
                raise OverBudgetError("the YAML has more values than anybody writes")
            self._take(event)
        if len(self._documents) > 1:
            raise FormatError("it is not YAML: there is more than one document")
        return self._documents[0] if self._documents else None

    def _take(self, event: Any) -> None:
        kind = type(event).__name__
        if kind == "AliasEvent":
            raise FormatError("the YAML uses aliases, which unfold to more than it says")
        if kind == "ScalarEvent":
            self._put(_scalar(event))
        elif kind in {"MappingStartEvent", "SequenceStartEvent"}:
            if len(self._stack) >= _DEEPEST:
                raise OverBudgetError("the YAML is nested too deeply")
            self._stack.append(JsonObject() if kind == "MappingStartEvent" else [])
            self._keys.append(_NO_KEY)
        elif kind in {"MappingEndEvent", "SequenceEndEvent"}:
            self._keys.pop()
            self._put(self._stack.pop())

    def _put(self, value: object) -> None:
        if not self._stack:
            self._documents.append(value)
            return
        top = self._stack[-1]
        if not isinstance(top, JsonObject):
            top.append(value)
        elif self._keys[-1] is _NO_KEY:
            self._keys[-1] = value
        else:
            key = self._keys[-1]
            self._keys[-1] = _NO_KEY
            top.append((key if isinstance(key, str) else _spelled(key), value))


_NO_KEY = object()


def _spelled(key: object) -> str:
    """Return a key that is no text, such as a number, as one; nobody asks for lists as keys."""
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    return str(key) if isinstance(key, int | float) else "?"


def _scalar(event: Any) -> object:
    text: str = event.value
    if event.style not in (None, "") or event.tag not in (None, "!"):
        return text
    if text in _NULL:
        return None
    if text.lower() in _BOOLEANS:
        return _BOOLEANS[text.lower()]
    if _INTEGER.match(text):
        return int(text)
    return float(text) if _FLOAT.match(text) else text
