"""Writing TOML (the standard library only reads it) and finding the line of a key in it."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories that change how the rest of a line is shown, or that TOML cannot hold (Cs)."""

_HEADER = re.compile(r"\s*\[\[?\s*([A-Za-z0-9_.-]+)\s*\]\]?")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")
_DOTTED = rf"((?:{_PART.pattern})(?:\s*\.\s*(?:{_PART.pattern}))*)"
_ANY_HEADER = re.compile(rf"\s*\[\[?\s*{_DOTTED}\s*\]")
_ANY_KEY = re.compile(rf"\s*{_DOTTED}\s*=")
_STEP = re.compile(r"([^.\[\]]+)(?:\[(\d+)\])?(?:\.|\Z)")


def is_printable(text: str) -> bool:
    """Whether no character of `text` is a control, a bidirectional mark, a separator of lines or a lone surrogate."""
    return (text.isascii() and text.isprintable()) or not any(unicodedata.category(c) in _UNPRINTABLE for c in text)


def quoted(text: str) -> str:
    """Return `text` as a basic string, everything unprintable escaped.

    Source:
        TOML 1.0.0, "String".
    """
    return '"' + "".join(_escaped(character) for character in text) + '"'


def array(items: Iterable[str]) -> str:
    """Return an array of strings with one item a line, so that a diff shows single items."""
    lines = [f"    {quoted(item)},\n" for item in items]
    return "[\n" + "".join(lines) + "]" if lines else "[]"


def line_of(text: str, where: str) -> int | None:
    """Return the line of a key such as ``models[3].files[0].sha256``, or of the table that should hold it.

    Only arrays of tables that are written with ``[[headers]]`` are followed, which is how this project writes them.

    Args:
        text: A whole TOML document.
        where: The path of the key.

    Returns:
        The line, counted from 1, or ``None`` where the way does not lead through headers.
    """
    lines = text.split("\n")
    start, prefix, steps = 0, "", _STEP.findall(where)
    while steps and steps[0][1]:
        key, index = steps.pop(0)
        prefix = f"{prefix}.{key}" if prefix else key
        found = _nth_header(lines, start, prefix, int(index))
        if found is None:
            return _line_of_key(lines, start, key)
        start = found + 1
    if not steps:
        return start or None
    return _line_of_key(lines, start, steps[0][0]) or start or None


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if is_printable(character):
        return character
    code = ord(character)
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"


def _nth_header(lines: list[str], start: int, name: str, index: int) -> int | None:
    for number in range(start, len(lines)):
        header = _HEADER.match(lines[number])
        if header is None:
            continue
        if name.startswith(f"{header[1]}."):
            return None
        if header[1] == name:
            if index == 0:
                return number
            index -= 1
    return None


def _line_of_key(lines: list[str], start: int, key: str) -> int | None:
    escaped = re.escape(key)
    pattern = re.compile(rf"""\s*(?:"{escaped}"|'{escaped}'|{escaped})\s*[=.]""")
    for number in range(start, len(lines)):
        if pattern.match(lines[number]):
            return number + 1
        header = _HEADER.match(lines[number])
        if header is not None:
            return number + 1 if header[1].rpartition(".")[2] == key else None
    return None


def line_of_path(text: str, path: tuple[str, ...]) -> int | None:
    """Return the line on which a value stands, however it is written: under headers, dotted, or in an inline table.

    Args:
        text: A valid TOML document that holds the value. Lines of strings of several lines may mislead it.
        path: The keys that lead to the value.

    Returns:
        The line, counted from 1, on which the most of that path is written, or ``None``.
    """
    header: tuple[str, ...] = ()
    found, most = None, 0
    for number, line in enumerate(text.split("\n"), 1):
        if match := _ANY_HEADER.match(line):
            header = written = _parts(match[1])
        elif match := _ANY_KEY.match(line):
            written = (*header, *_parts(match[1]))
        else:
            continue
        depth = min(len(written), len(path))
        if depth > most and path[:depth] == written[:depth]:
            found, most = number, depth
    return found


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))
