"""Judges GGUF files: their header, and the chat templates in their metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.formats import gguf
from weighlock.inspector.readings.chat_template import judge_template

if TYPE_CHECKING:
    from weighlock.formats.source import Source
    from weighlock.inspector.judging import Judging


def read(judging: Judging, source: Source, head: bytes, name: str) -> None:
    """Judge bytes that begin as a GGUF file."""
    del head, name
    judging.note("gguf")
    found = gguf.parse(judging.random_access(source), judging.budget)
    judging.check(found)
    for key, template in found.templates:
        with judging.member(key):
            judge_template(judging, template, key)
