"""The JSON Schema of a policy file, made from the list of its keys.

Three rules are beyond a schema, and the parser alone has them: signers have different names, a required signature needs
at least as many signers as its threshold, and names of stages mean one thing each, and come after one that is there.

Source:
    JSON Schema, draft 2020-12.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from weighlock.policy_rules import DELEGATE, KEYS

if TYPE_CHECKING:
    from collections.abc import Collection

_ABOUT = {
    "install": "what is required of packages before they are installed",
    "evidence": "what is required of evidence: signatures, the ledger, further policy engines",
    "evidence.ledger": "where verdicts are recorded",
    "promotion": "what is required of promotions: stages, and the evidence that each takes",
    "quarantine": "which lists of denied artifacts hold, and who signs them",
}
_UNSIGNABLE = {
    "if": {"properties": {"require-signature": {"const": True}}, "required": ["require-signature"]},
    "then": {"properties": {"signers": {"minItems": 1}}, "required": ["signers"]},
}
"""A signature that nobody can give."""


def schema(*, profiles: Collection[str], checks: Collection[str], organisation: bool = False) -> dict[str, Any]:
    """Return the schema of the table ``[tool.weighlock]``, which is also that of ``weighlock.toml``.

    Args:
        profiles: The names of the profiles that exist.
        checks: The same of the checks.
        organisation: Of an organisation's policy, which has one key more.
    """
    document: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "weighlock policy of an organisation" if organisation else "weighlock policy",
        "description": "The table [tool.weighlock] of pyproject.toml, or the whole of weighlock.toml",
        **_object(),
    }
    for key in KEYS:
        if key.written:
            _put(document, key.path, {"description": key.about, **copy.deepcopy(key.schema)})
    document["properties"]["profiles"]["items"] = {"enum": sorted(profiles)}
    acceptance = document["properties"]["install"]["properties"]["accept"]["items"]["properties"]
    known = sorted(set(checks).difference(acceptance["check"]["not"]["enum"]))
    acceptance["check"] = {"description": acceptance["check"]["description"], "enum": known}
    document["properties"]["evidence"].update(_UNSIGNABLE)
    if organisation:
        about = "keys that a project may also loosen"
        names = {"enum": [key.name for key in KEYS]}
        document["properties"][DELEGATE] = {"description": about, "type": "array", "items": names, "default": []}
    return document


def _put(document: dict[str, Any], path: tuple[str, ...], value: dict[str, Any]) -> None:
    for depth, step in enumerate(path[:-1], 1):
        inner = {"description": _ABOUT[".".join(path[:depth])], **_object()}
        document = document["properties"].setdefault(step, inner)
    document["properties"][path[-1]] = value


def _object() -> dict[str, Any]:
    return {"type": "object", "properties": {}, "additionalProperties": False}
