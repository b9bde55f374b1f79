"""Jinja templates: their tokens, read as Jinja's own lexer reads them with the delimiters that it has by default."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from weighlock.errors import FormatError, OverBudgetError

LARGEST = 1 << 20
"""Characters; the largest honest templates have some 30,000."""

_NEWLINE = re.compile(r"\r\n|\r|\n")
_BEGIN = re.compile(
    r"(?P<raw>\{%[-+]?\s*raw\s*(?:-%\}\s*|%\}))|(?P<comment>\{#[-+]?)|(?P<block>\{%[-+]?)|(?P<variable>\{\{[-+]?)"
)
_END_RAW = re.compile(r"\{%[-+]?\s*endraw\s*(?:\+%\}|-%\}\s*|%\}\n?)")
_END_COMMENT = re.compile(r"(?:\+#\}|-#\}\s*|#\}\n?)")
_ENDS = {"block": re.compile(r"\+%\}|-%\}\s*|%\}\n?"), "variable": re.compile(r"-\}\}\s*|\}\}")}
_TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<float>(?<!\.)(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?[eE][+\-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+))"
    r"|(?P<integer>0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|0[xX](?:_?[\da-fA-F])+|[1-9](?:_?\d)*|0(?:_?0)*)"
    r"|(?P<name>\w+)"
    r"|(?P<string>'[^'\\]*(?:\\.[^'\\]*)*'|\"[^\"\\]*(?:\\.[^\"\\]*)*\")"
    r"|(?P<operator>//|\*\*|==|!=|>=|<=|[-+/*%~\[\](){}><=.:|,;])",
    re.DOTALL,
)
_ESCAPE = re.compile(
    r"\\(\n|[0-7]{1,3}|x[\da-fA-F]{2}|u[\da-fA-F]{4}|U[\da-fA-F]{8}|N\{[^}]*\}|[xuUN]|.)", re.DOTALL | re.ASCII
)
_LETTERS = {
    "\n": "",
    "\\": "\\",
    "'": "'",
    '"': '"',
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
}
_OPENING = {"(": ")", "[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class Token:
    """A token inside a tag.

    Args:
        kind: ``name``, ``string``, ``integer``, ``float`` or ``operator``.
        text: What stands there; of a string, what it means.
    """

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Tag:
    """A statement or an expression with its tokens.

    Args:
        kind: ``block`` or ``variable``.
        offset: Characters from the start of the template, in which every line ends with one character.
        tokens: In their order.
    """

    kind: str
    offset: int
    tokens: tuple[Token, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A chat template.

    Args:
        name: Where it was found.
        tags: In their order; all that can do anything.
        broken: Why no reader could take it to its end, if so.
        size: Its characters.
    """

    name: str
    tags: tuple[Tag, ...]
    broken: str | None = None
    size: int = 0


def parse(text: str, name: str = "") -> Template:
    """Read the tags of a template, up to where Jinja would fail.

    Args:
        text: The template.
        name: Where it was found.

    Raises:
        OverBudgetError: It is longer than 1 MB.

    Source:
        https://jinja.palletsprojects.com/en/stable/templates/; jinja2/lexer.py.
    """
    if len(text) > LARGEST:
        raise OverBudgetError("a template is longer than 1 MB")
    tags: list[Tag] = []
    broken = None
    try:
        _read_tags(_NEWLINE.sub("\n", text), tags)
    except FormatError as error:
        broken = error.message
    return Template(name=name, tags=tuple(tags), broken=broken, size=len(text))


def _read_tags(text: str, into: list[Tag]) -> None:
    """Put all tags into a list, so that those in front of an error are there."""
    place = 0
    while begin := _BEGIN.search(text, place):
        kind = begin.lastgroup or ""
        place = begin.end()
        if kind in _ENDS:
            tokens, place = _tokens(text, place, _ENDS[kind])
            into.append(Tag(kind, begin.start(), tuple(tokens)))
            continue
        end = (_END_RAW if kind == "raw" else _END_COMMENT).search(text, place)
        if end is None:
            raise FormatError(f"a {kind} of the template has no end")
        place = end.end()


def _tokens(text: str, place: int, end: re.Pattern[str]) -> tuple[list[Token], int]:
    found: list[Token] = []
    open_brackets: list[str] = []
    while True:
        if not open_brackets and (ended := end.match(text, place)):
            return found, ended.end()
        token = _TOKEN.match(text, place)
        if token is None:
            raise FormatError("a tag of the template has no end, or a character that no tag can have")
        kind, raw, place = token.lastgroup or "", token.group(), token.end()
        if kind == "operator":
            _balance(raw, open_brackets)
        if kind != "space":
            found.append(Token(kind, _meaning(kind, raw)))


def _balance(operator: str, open_brackets: list[str]) -> None:
    if operator in _OPENING:
        open_brackets.append(_OPENING[operator])
    elif operator in _OPENING.values() and (not open_brackets or open_brackets.pop() != operator):
        raise FormatError("the brackets of the template do not match")


def _meaning(kind: str, raw: str) -> str:
    if kind == "name" and not raw.isidentifier():
        raise FormatError("a name of the template is not an identifier")
    if kind != "string":
        return raw
    # Jinja decodes "unicode-escape", which warns of unknown escapes; a warning may be an error.
    return _ESCAPE.sub(_unescaped, raw[1:-1].encode("ascii", "backslashreplace").decode("ascii"))


def _unescaped(escape: re.Match[str]) -> str:
    text = escape.group(1)
    try:
        if text[0] in _LETTERS:
            return _LETTERS[text[0]]
        if text[0] in "01234567":
            return chr(int(text, 8))
        if text[0] == "N":
            return unicodedata.lookup(text[2:-1])
        if text[0] in "xuU":
            return chr(int(text[1:], 16))
    except (ValueError, KeyError, OverflowError) as error:
        raise FormatError("a text of the template has an escape that means nothing") from error
    return escape.group()
