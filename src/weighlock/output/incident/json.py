"""The report about an incident as JSON, with its proofs.

Source:
    ``docs/formats/incident.md``.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from weighlock.output.incident.words import questions, word
from weighlock.output.json_text import json_text

if TYPE_CHECKING:
    from weighlock.incidents.timeline import Incident

VERSION = 1


def render(incident: Incident) -> str:
    """Return the document."""
    found = asdict(incident)
    found["reach"] = {name: found["reach"][name] for name in ("meanings", "digests", "looked")}
    found["questions"] = [{"question": asked, "facts": facts} for asked, facts in questions(incident)]
    document = {"version": VERSION, "answer": word(incident).lower(), "complete": not incident.gaps} | found
    return json_text(document)
