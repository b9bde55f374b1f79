"""What an engine has to answer, and nothing else counts: the one shape of a decision, read strictly.

Every engine hands in the bytes that its policy came to. Whatever is not exactly a decision is a denial with a name.

Source:
    ``docs/formats/policy-input.md``, "The decision"; RFC 8259.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from weighlock.errors import EngineError
from weighlock.finding import listing

LARGEST = 1 << 20
"""Bytes of an answer; an honest one has a few hundred."""

_KEYS = frozenset({"allow", "reasons", "required", "passed", "remedy"})
_MOST_REASONS = 100
_LONGEST_REASON = 1000
_STYLE = "see docs/engines.md, what a decision looks like"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """A decision of a policy.

    Args:
        allow: Whether the artifact may pass.
        reasons: Why not; empty where it may.
        remedy: The one step that would approve it, in the words of the policy's author.
    """

    allow: bool
    reasons: tuple[str, ...] = ()
    remedy: str | None = None


def parse_strictly(data: bytes, most: int = LARGEST) -> Any:
    """Parse JSON that must not mean two things: no name twice in an object, no NaN.

    Args:
        data: The bytes.
        most: So many of them are read.

    Raises:
        EngineError: It is something else.
    """
    if len(data) > most:
        raise EngineError(f"its answer is larger than {most >> 20} MB")
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_number)
    except RecursionError:
        raise EngineError("its answer is nested too deeply") from None
    except ValueError as error:
        raise EngineError(f"its answer is not JSON: {error}") from None


def ruling(value: Any) -> Ruling:
    """Return the decision that a value is.

    Raises:
        EngineError: It is none, or one that contradicts itself.
    """
    if not isinstance(value, dict):
        raise EngineError(f"its decision is {_kind(value)} and not an object with allow and reasons", hint=_STYLE)
    if not value.keys() <= _KEYS or not {"allow", "reasons"} <= value.keys():
        raise EngineError(f"its decision has the keys {listing(sorted(value)) or 'of nothing'}", hint=_STYLE)
    allow, remedy = value["allow"], value.get("remedy")
    if not isinstance(allow, bool):
        raise EngineError(f"its allow is {_kind(allow)} and neither true nor false", hint=_STYLE)
    if remedy is not None and not isinstance(remedy, str):
        raise EngineError(f"its remedy is {_kind(remedy)} and not a string", hint=_STYLE)
    reasons = _strings(value, "reasons")
    if "required" in value or "passed" in value:
        reasons = reasons or _missing(_strings(value, "required"), _strings(value, "passed"), allow=allow)
    if allow and reasons:
        raise EngineError(f"it allows and says why not: {reasons[0]}", hint=_STYLE)
    if not allow and not reasons:
        reasons = ("its policy denies and gives no reason",)
    short = tuple(reason[:_LONGEST_REASON] for reason in reasons[:_MOST_REASONS])
    return Ruling(allow=allow, reasons=short, remedy=None if remedy is None else remedy[:_LONGEST_REASON])


def _missing(required: tuple[str, ...], passed: tuple[str, ...], *, allow: bool) -> tuple[str, ...]:
    """Count again what the policy counted."""
    if allow and not required:
        raise EngineError("it allows and requires nothing", hint=_STYLE)
    missing = sorted(set(required) - set(passed))
    return (f"not shown: {listing(missing)}",) if missing else ()


def _strings(value: dict[str, Any], key: str) -> tuple[str, ...]:
    found = value.get(key)
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise EngineError(f"its {key} is {_kind(found)} and not a list of strings", hint=_STYLE)
    return tuple(found)


def _kind(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, list):
        return "a list" if value else "an empty list or set"
    return {str: "a string", int: "a number", float: "a number", dict: "an object"}[type(value)]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in an object")
    return found


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")
