"""Looks in JSON for what makes a library run code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.errors import FormatError, OverBudgetError
from weighlock.formats import json_text, model_config

if TYPE_CHECKING:
    from weighlock.formats.source import Source
    from weighlock.inspector.judging import Judging

_LARGEST = 4 << 20
"""Bytes; configurations have some kilobytes."""


def read(judging: Judging, source: Source, head: bytes, name: str) -> None:
    """Report references to code; what is no JSON, or too much of it, refers to none that a library would find."""
    del head, name
    if source.size is None or source.size > _LARGEST:
        return
    try:
        value = json_text.parse(source, judging.budget)
    except (FormatError, OverBudgetError):
        return
    judging.check(model_config.references(value))
