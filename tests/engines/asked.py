"""Questions for the tests of engines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from weighlock.engines.interface import Question

CONFORMANCE = Path(__file__).parent / "conformance"
QUERY = "data.weighlock.decision"

DOCUMENT: dict[str, Any] = {
    "version": 1,
    "gate": "load",
    "time": "2026-11-25T12:00:00Z",
    "epoch": 1795608000,
    "artifact": {
        "kind": "model",
        "name": "model.safetensors",
        "size": 12,
        "digest": "sha256:" + "0" * 64,
        "format": "safetensors",
        "outcome": "data-only",
        "imports": [],
        "needs": [],
    },
    "findings": [],
    "evidence": [{"kind": "lock-entry", "model": "org/name", "path": "model.safetensors"}],
    "policy": {"unlocked": "refuse", "trust-saved": True},
}


def question(**change: Any) -> Question:
    return Question(document=DOCUMENT | change)


def cases(name: str) -> list[dict[str, Any]]:
    return json.loads((CONFORMANCE / f"{name}.json").read_text(encoding="utf-8"))
