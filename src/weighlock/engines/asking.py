"""What all engines have in common: a question is checked before it is asked, and a policy before it is believed.

A policy that allows a question about nothing decides by what is absent. Such a policy lets through whatever nobody
looked at, and no test of its author shows it. So every policy is first asked about nothing, and has to deny that, or
not to answer at all.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from weighlock.errors import EngineError
from weighlock.finding import Outcome, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from weighlock.engines.ruling import Ruling

LARGEST = 8 << 20
"""Bytes of a question."""

NO_POLICY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""What a denial is stamped with where no policy could be read: the digest of nothing."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}\Z")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\Z")
_WORD = re.compile(r"[a-z][a-z0-9-]{0,39}\Z")
_SEVERITIES = frozenset(map(str, Severity))
_OUTCOMES = frozenset(map(str, Outcome))
_KINDS = ("model", "package", "promotion")

_ABOUT_NOTHING: dict[str, Any] = {
    "version": 1,
    "gate": "none",
    "time": "1970-01-01T00:00:00Z",
    "epoch": 0,
    "artifact": {"kind": "none", "name": "", "size": None, "digest": None, "format": None, "outcome": "unverifiable"},
    "findings": [],
    "evidence": [],
    "policy": {},
}
NOTHING = json.dumps(_ABOUT_NOTHING).encode()
"""The question that says nothing, which every policy has to deny. Its tables are there, for rego-cpp dies of a rule
that replaces something (`with`) in a table that is not."""


def question_bytes(document: Mapping[str, Any]) -> bytes:
    """Return a question as JSON, once it is certain that it says everything that a policy may ask for.

    Raises:
        EngineError: Something is missing in it or spelled in another way, so that a rule could miss it.
    """
    _require(document)
    try:
        data = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise EngineError(f"the question cannot be written as JSON: {error}") from None
    if len(data) > LARGEST:
        raise EngineError(f"the question is larger than {LARGEST >> 20} MB")
    return data


def require_denial(answer: Ruling | None) -> None:
    """Refuse a policy that allows `NOTHING`.

    Args:
        answer: What the policy decided about it, ``None`` where it came to nothing that counts.

    Raises:
        EngineError: It allows.
    """
    if answer is not None and answer.allow:
        raise EngineError(
            "its policy allows a question without any evidence, so it would allow whatever nobody looked at",
            hint="require evidence by name, see docs/engines.md",
        )


def _require(document: Mapping[str, Any]) -> None:
    about, findings = _table(document, "artifact"), _rows(document, "findings")
    checks = {
        "version": document.get("version") == 1 and document.get("version") is not True,
        "gate": _matches(_WORD, document.get("gate")),
        "time": _matches(_TIME, document.get("time")),
        "epoch": type(document.get("epoch")) is int,
        "policy": bool(_table(document, "policy")),
        "artifact.kind": about.get("kind") in _KINDS,
        "artifact.name": isinstance(about.get("name"), str) and bool(about["name"]),
        "artifact.digest": about.get("digest") is None or _matches(_DIGEST, about["digest"]),
        "artifact.outcome": about.get("kind") != "model" or about.get("outcome") in _OUTCOMES,
        "artifact.stage": about.get("kind") != "promotion" or _is_promotion(about),
        "findings": all(map(_is_finding, findings)),
        "evidence": all(isinstance(item.get("kind"), str) for item in _rows(document, "evidence")),
    }
    for where, holds in checks.items():
        if not holds:
            raise EngineError("the question does not say what it has to say there", where=where)


def _is_promotion(about: dict[str, Any]) -> bool:
    """Say whether it has what rules about promotions ask for; a list that is missing would be passed over."""
    words = all(isinstance(about.get(key), str) and about[key] for key in ("registry", "model", "stage"))
    return words and all(isinstance(about.get(key), list) for key in ("files", "signers", "approvers"))


def _is_finding(finding: dict[str, Any]) -> bool:
    words = finding.get("severity") in _SEVERITIES and finding.get("outcome") in _OUTCOMES
    return words and isinstance(finding.get("check"), str) and isinstance(finding.get("message"), str)


def _table(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = document.get(key)
    if not isinstance(found, dict):
        raise EngineError("the question has to have a table there", where=key)
    return found


def _rows(document: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    found = document.get(key)
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise EngineError("the question has to have a list of tables there", where=key)
    return found


def _matches(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.match(value) is not None
