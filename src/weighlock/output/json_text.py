"""The text of reports that are made of values: as JSON that every reader takes, times and spans included."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from weighlock.output.escape import encodable


def json_text(document: Any) -> str:
    """Return a document of plain values, times and spans (as seconds) as JSON."""
    return json.dumps(encodable(_plain(document)), indent=2, ensure_ascii=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return value.total_seconds() if isinstance(value, timedelta) else value
