"""Judges chat templates: files of their own, and the keys of JSON files under which tokenizers keep them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.errors import FormatError
from weighlock.formats import chat_template, jinja, json_text
from weighlock.formats.json_text import JsonObject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.formats.source import Source
    from weighlock.inspector.judging import Judging

KEY = "chat_template"
FILES = frozenset({"tokenizer_config.json", "chat_template.json", "processor_config.json"})

_STEP = 1 << 18


def read(judging: Judging, source: Source, head: bytes, name: str) -> None:
    """Judge a template, or JSON that may hold some."""
    del head
    file = name.lower().rpartition("/")[2]
    if file.endswith((".jinja", ".jinja2")):
        judging.note("jinja")
        judge_template(judging, _text(source), file)
        return
    if file not in FILES and not _mentions_key(source):
        return
    try:
        value = json_text.parse(source, judging.budget)
    except FormatError:
        return
    templates = list(_templates(value))
    if templates:
        judging.note("chat-template")
    for label, template in templates:
        with judging.member(label):
            judge_template(judging, template, label)


def judge_template(judging: Judging, text: str, label: str) -> None:
    """Judge one template.

    Args:
        judging: Of the artifact.
        text: The template.
        label: Its name.
    """
    judging.budget.spend("opcodes", len(text))
    template = chat_template.parse(text, label)
    judging.need(*template.computed)
    judging.check(template)


def _text(source: Source) -> str:
    # transformers opens it as UTF-8; whoever reads other encodings sees the same ASCII.
    return source.head(4 * jinja.LARGEST + 1).decode("utf-8", "backslashreplace")


def _mentions_key(source: Source) -> bool:
    if (source.size or 0) > json_text.LARGEST:
        return False
    needle, tail, stream = KEY.encode(), b"", source.open()
    left = json_text.LARGEST
    while left > 0 and (part := stream.read(_STEP)):
        if needle in tail + part:
            return True
        tail, left = part[-len(needle) :], left - len(part)
    return False


def _templates(value: object) -> Iterator[tuple[str, str]]:
    """Return every template of a configuration: one text, a list of named ones, or an object of them."""
    if not isinstance(value, JsonObject):
        return
    for found in value.every(KEY):
        yield from _named(KEY, found, 3)


def _named(label: str, value: object, depth: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield label, value
    elif isinstance(value, JsonObject) and depth:
        for key, inner in value:
            if key != "name":
                yield from _named(f"{label}.{key}", inner, depth - 1)
    elif isinstance(value, list) and depth:
        for number, inner in enumerate(value):
            yield from _named(f"{label}[{number}]", inner, depth - 1)
