"""HTML and SVG that is put together from parts, where whatever is not markup is escaped.

A plain string is text, whoever wrote it: only what `tag` made is markup. Names and messages may be an attacker's; they
are cut, isolated from the direction of the text around them, and shown with visible escapes for what cannot be seen.
"""

from __future__ import annotations

import re
import unicodedata
from html import escape
from typing import TYPE_CHECKING

from weighlock.output.escape import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

_VOID = frozenset({"meta", "br", "wbr", "rect", "path", "circle", "line"})
_MOST_MARKS = 3
"""Combining marks on one character; more of them would paint over the lines above and below."""

_LONGEST = 4_000
"""Characters of any text, whoever wrote it."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]*\Z")


class Markup(str):
    """A string that is markup already."""

    __slots__ = ()


def tag(name: str, /, *children: str, **attributes: str | float | None) -> Markup:
    """Return an element.

    Args:
        name: Of the element.
        children: Text, which is escaped, and markup, which is not.
        attributes: Without those that are `None`; ``_`` stands for ``-``, and one at the end is dropped.
    """
    written = "".join(
        f' {_attribute(key)}="{_escaped(str(value))}"' for key, value in attributes.items() if value is not None
    )
    if name in _VOID and not children:
        return Markup(f"<{name}{written}{'/' if name in {'rect', 'path', 'circle', 'line'} else ''}>")
    return Markup(f"<{name}{written}>{joined(children)}</{name}>")


def joined(parts: Iterable[str], between: str = "") -> Markup:
    """Return parts one after the other."""
    return Markup(between.join(part if isinstance(part, Markup) else _escaped(part) for part in parts))


def foreign(text: str, most: int = 400) -> Markup:
    """Return a text of somebody else, in an element that keeps its direction to itself.

    Args:
        text: Any string.
        most: Characters that are shown; how many there are is said.
    """
    shown = cut(text, most)
    if len(text) > most:
        return joined((tag("bdi", shown), tag("small", f" ({len(text):,} characters)", class_="cut")))
    return tag("bdi", shown)


def cut(text: str, most: int) -> str:
    """Return the beginning of a text, in one line of characters that can be seen."""
    shown = printable(_few_marks(text[: most + 1]))
    return shown if len(shown) <= most and len(text) <= most else f"{shown[: most - 1]}…"


def digest(value: str) -> Markup:
    """Return a digest that wraps anywhere and is copied as a whole."""
    return tag("code", cut(value, 200), class_="digest")


def code(text: str, most: int = 400) -> Markup:
    """Return a name or a command as code."""
    return tag("code", tag("bdi", cut(text, most)))


def prose(text: str) -> Markup:
    """Return a text of ours, with what stands in backticks as code."""
    parts = text.split("`")
    return joined(tag("code", part) if number % 2 else part for number, part in enumerate(parts))


def link(url: str, most: int = 300) -> Markup:
    """Return an address that a person gave: followed on a click where it is plain https, and text otherwise."""
    if re.fullmatch(r"https://[A-Za-z0-9.-]+(?::\d+)?(?:/[!#$%&'()*+,./:;=?@\[\]~\w-]*)?", url, re.ASCII):
        return tag("a", cut(url, most), href=url, rel="noopener noreferrer nofollow external")
    return foreign(url, most)


def _escaped(text: str) -> str:
    return escape(cut(text, _LONGEST), quote=True)


def _attribute(key: str) -> str:
    name = key.rstrip("_").replace("_", "-")
    name = {"viewbox": "viewBox", "preserveaspectratio": "preserveAspectRatio"}.get(name, name)
    if not _NAME.match(name):
        raise ValueError(f"not the name of an attribute: {key!r}")
    return name


def _few_marks(text: str) -> str:
    if text.isascii():
        return text
    kept, marks = [], 0
    for character in text:
        marks = marks + 1 if unicodedata.category(character) in {"Mn", "Me"} else 0
        if marks <= _MOST_MARKS:
            kept.append(character)
    return "".join(kept)
