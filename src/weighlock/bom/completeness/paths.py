"""Paths into a document, such as ``modelCard.considerations.useCases[]`` or ``properties[name*energy|co2].value``.

A name is followed by nothing, by ``[]`` for every item of a list, or by ``[key=one|other]`` or ``[key*part|part]`` for
the items whose ``key`` is one of these words or contains one, whatever the case, and whether ``_``, ``-`` or a space is
between.

Source:
    ``docs/completeness.md``.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from weighlock.bom.completeness.element import Status

if TYPE_CHECKING:
    from collections.abc import Iterator

_PART = re.compile(r"(?P<key>[^.\[\]]+)(?P<list>\[(?:(?P<by>[^=*\]]+)(?P<sign>[=*])(?P<words>[^\]]*))?\])?(?:\.|\Z)")
_MOST = 10_000
"""Values that are looked at for one path; a document that has more says something among these."""

_MARKS = frozenset(
    {
        *(
            "noassertion",
            "unknown",
            "none",
            "n/a",
            "na",
            "not applicable",
            "not available",
            "not known",
            "no assertion",
        ),
        *(
            "not specified",
            "not stated",
            "not disclosed",
            "unspecified",
            "undisclosed",
            "undetermined",
            "more information needed",
        ),
    }
)
"""Values by which a document says that something is not known, or that there is nothing to say."""

_NOTHING = frozenset({"", "-", "--", "?", "null", "nil", "undefined", "todo", "tbd", "1970-01-01t00:00:00z"})
"""Values that say nothing, not even that."""

Part = tuple[str, bool, str, str, tuple[str, ...]]


def find(value: Any, path: str, where: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value at a path, with its own path.

    Args:
        value: An object of the document.
        path: In it.
        where: The path of the object.
    """
    yield from islice(_walk(value, _parts(path), where), _MOST)


def status_of(value: Any) -> Status:
    """Say whether a value says something."""
    if isinstance(value, str):
        text = " ".join(value.split()).casefold().rstrip(".")
        marked = text in _MARKS or text.partition(":")[0] in _MARKS
        return Status.MISSING if text in _NOTHING else Status.UNKNOWN if marked else Status.FILLED
    if isinstance(value, (list, dict)):
        items = value.values() if isinstance(value, dict) else value
        return best(status_of(item) for item in items)
    return Status.MISSING if value is None else Status.FILLED


def best(statuses: Iterator[Status]) -> Status:
    """Return the best of some statuses; of none, that nothing is said."""
    found = Status.MISSING
    for status in statuses:
        if status is Status.FILLED:
            return status
        if status is Status.UNKNOWN:
            found = status
    return found


def _walk(value: Any, parts: tuple[Part, ...], where: str) -> Iterator[tuple[str, Any]]:
    if not parts:
        yield where, value
        return
    key, many, by, sign, words = parts[0]
    if not isinstance(value, dict) or key not in value:
        return
    value, where = value[key], f"{where}.{key}".removeprefix(".")
    if not many:
        yield from _walk(value, parts[1:], where)
        return
    for index, item in enumerate(value if isinstance(value, list) else [value]):
        if not by or _fits(item, by, sign, words):
            yield from _walk(item, parts[1:], f"{where}[{index}]" if isinstance(value, list) else where)


def _fits(item: Any, by: str, sign: str, words: tuple[str, ...]) -> bool:
    text = item.get(by) if isinstance(item, dict) else None
    if not isinstance(text, str):
        return False
    text = _spelled(text)
    if by == "name" and ":unknown" in text:
        return False  # a mark that something is not known says nothing about it
    return text in words if sign == "=" else any(word in text for word in words)


def _spelled(text: str) -> str:
    """Return a name as it is compared: generators write context_length, context-length and Context Length."""
    return text.casefold().replace("_", "-").replace(" ", "-")


@cache
def _parts(path: str) -> tuple[Part, ...]:
    found, position = [], 0
    while position < len(path):
        match = _PART.match(path, position)
        if match is None:
            raise ValueError(f"no path: {path}")
        words = tuple(map(_spelled, (match["words"] or "").split("|")))
        found.append((match["key"], match["list"] is not None, match["by"] or "", match["sign"] or "", words))
        position = match.end()
    return tuple(found)
