"""The reach as JSON, for programs.

Source:
    ``docs/formats/where.md``.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from weighlock.output.escape import encodable
from weighlock.output.where.words import word

if TYPE_CHECKING:
    from weighlock.incidents.reach import Reach

VERSION = 1
_ANSWERS = {"FOUND": "found", "NOWHERE KNOWN": "nowhere", "NOT DECIDED": "undecided"}


def render(found: Reach) -> str:
    """Return the document."""
    document = {"version": VERSION, "answer": _ANSWERS[word(found)], "complete": not found.gaps} | asdict(found)
    return json.dumps(encodable(_plain(document)), indent=2, ensure_ascii=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return value
