"""Judges safetensors files by their header."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.errors import FormatError
from weighlock.formats import safetensors
from weighlock.formats.obstacle import BrokenHeader
from weighlock.formats.source import RandomAccess

if TYPE_CHECKING:
    from weighlock.formats.source import Source
    from weighlock.inspector.judging import Judging


def read(judging: Judging, source: Source, head: bytes, name: str) -> None:
    """Judge bytes whose first eight may be the length of a header."""
    del name
    if not isinstance(source, RandomAccess) or int.from_bytes(head[:8], "little") > source.size:
        return
    judging.note("safetensors")
    try:
        safetensors.parse(source)
    except FormatError as error:
        judging.check(BrokenHeader(error.message))
