"""What of the SARIF 2.1.0 schema the renderers use; a property that is not in the standard fails the test."""

from __future__ import annotations

import json
from typing import Any

import jsonschema


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


def _list(items: dict[str, Any], *, unique: bool = False) -> dict[str, Any]:
    return {"type": "array", "items": items, "uniqueItems": unique}


_STRING = {"type": "string"}
_TEXT = _object(["text"], text=_STRING)
_BAG = {"type": "object"}
_LEVEL = {"enum": ["none", "note", "warning", "error"]}
_RULE = _object(
    ["id"],
    id=_STRING,
    name=_STRING,
    shortDescription=_TEXT,
    fullDescription=_TEXT,
    help=_object(["text"], text=_STRING, markdown=_STRING),
    helpUri={"type": "string", "format": "uri", "pattern": "^https://[!-~]+$"},
    defaultConfiguration=_object([], level=_LEVEL),
    properties=_BAG,
)
_LOCATION = _object(
    [],
    physicalLocation=_object(
        ["artifactLocation"],
        artifactLocation=_object([], uri={"type": "string", "format": "uri-reference", "pattern": "^[!-~]+$"}),
        region=_object([], startLine={"type": "integer", "minimum": 1}, byteOffset={"type": "integer", "minimum": 0}),
    ),
    logicalLocations=_list(_object([], fullyQualifiedName=_STRING, kind=_STRING), unique=True),
)
_RESULT = _object(
    ["message"],
    ruleId=_STRING,
    level=_LEVEL,
    message=_TEXT,
    locations=_list(_LOCATION),
    partialFingerprints={"type": "object", "additionalProperties": _STRING},
    properties=_BAG,
)
_DRIVER = _object(
    ["name"],
    name=_STRING,
    version=_STRING,
    semanticVersion={"type": "string", "pattern": r"^\d+\.\d+\.\d+"},
    rules=_list(_RULE, unique=True),
)
_RUN = _object(
    ["tool"],
    tool=_object(["driver"], driver=_DRIVER),
    automationDetails=_object([], id=_STRING),
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    results=_list(_RESULT),
)
_LOG = _object(
    ["version", "runs"], **{"$schema": {"type": "string"}, "version": {"const": "2.1.0"}, "runs": _list(_RUN)}
)


def valid_run(text: str) -> dict[str, Any]:
    """Return the one run of a log that holds to the schema, and whose rules are those of its results."""
    document: dict[str, Any] = json.loads(text)
    jsonschema.validate(document, _LOG)
    run: dict[str, Any] = document["runs"][0]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert sorted(set(rules)) == rules
    assert {result["ruleId"] for result in run["results"]} == set(rules)
    return run
