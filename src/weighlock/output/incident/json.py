"""The report about an incident as JSON, with its proofs.

Source:
    ``docs/formats/incident.md``.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from weighlock.output.escape import encodable
from weighlock.output.incident.words import questions, word

if TYPE_CHECKING:
    from weighlock.incidents.timeline import Incident

VERSION = 1


def render(incident: Incident) -> str:
    """Return the document."""
    found = asdict(incident)
    found["reach"] = {name: found["reach"][name] for name in ("meanings", "digests", "looked")}
    found["questions"] = [{"question": asked, "facts": facts} for asked, facts in questions(incident)]
    document = {"version": VERSION, "answer": word(incident).lower(), "complete": not incident.gaps} | found
    return json.dumps(encodable(_plain(document)), indent=2, ensure_ascii=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return value.total_seconds() if isinstance(value, timedelta) else value
