"""The reach as JSON, for programs.

Source:
    ``docs/formats/where.md``.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from weighlock.output.json_text import json_text
from weighlock.output.where.words import word

if TYPE_CHECKING:
    from weighlock.incidents.reach import Reach

VERSION = 1
_ANSWERS = {"FOUND": "found", "NOWHERE KNOWN": "nowhere", "NOT DECIDED": "undecided"}


def render(found: Reach) -> str:
    """Return the document."""
    document = {"version": VERSION, "answer": _ANSWERS[word(found)], "complete": not found.gaps} | asdict(found)
    return json_text(document)
