from __future__ import annotations

import json
import pathlib
from typing import Any

import jsonschema

from tests.output.reports import CLEAN, EVIL, NEEDY, hostile, judged, mixed, report
from weighlock.finding import Inspection, Outcome
from weighlock.output.sarif import render


# What of the SARIF 2.1.0 schema the renderer uses; a property that is not in the standard fails the test.
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
    help=_TEXT,
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


def _parse(text: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(text)
    jsonschema.validate(document, _LOG)
    run: dict[str, Any] = document["runs"][0]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert sorted(set(rules)) == rules
    assert {result["ruleId"] for result in run["results"]} == set(rules)
    return run


def test_each_denied_artifact_has_a_result_and_allowed_ones_have_none():
    run = _parse(render(mixed()))
    assert [result["ruleId"] for result in run["results"]] == ["dangerous-import", "unapproved-import"]
    assert [result["level"] for result in run["results"]] == ["error", "warning"]
    assert "weighlock approve ./dir/evil.bin" in run["results"][0]["message"]["text"]
    assert run["results"][0]["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "archive/data.pkl@23"
    assert run["results"][1]["locations"][0]["physicalLocation"]["region"]["byteOffset"] == 7


def test_a_denial_without_a_finding_still_has_a_result():
    bare = Inspection(format="pickle", outcome=Outcome.UNVERIFIABLE)
    (result,) = _parse(render(report(judged("a.pkl", bare))))["results"]
    assert result["ruleId"] == "unverifiable"
    assert result["level"] == "error"


def test_a_report_without_denials_is_valid_and_empty():
    assert _parse(render(report(judged("a", CLEAN))))["results"] == []


def test_hostile_names_are_percent_encoded_and_messages_escaped():
    evil = hostile("it calls a\nb\ud800", "x\x1b[2J")
    text = render(report(judged("a b\n\x1b%\udcff:?#.bin", evil)))
    (result,) = _parse(text)["results"]
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "a%20b%0A%1B%25%FF%3A%3F%23.bin"
    assert text.isascii()
    assert "\\ud800" in result["message"]["text"]


def test_fingerprints_do_not_move_with_the_offset_but_with_the_finding():
    def prints(offset: int, message: str, path: str = "a") -> str:
        item = judged(path, hostile(message, "m", offset=offset))
        (result,) = _parse(render(report(item)))["results"]
        value: str = result["partialFingerprints"]["weighlock/v1"]
        return value

    assert prints(1, "it calls x") == prints(99, "it calls x")
    assert len({prints(1, "it calls x"), prints(1, "it calls y"), prints(1, "it calls x", str(pathlib.Path("b")))}) == 3


def test_one_rule_for_many_files_takes_the_worst_level():
    run = _parse(render(report(judged("a", NEEDY), judged("b", EVIL), judged("c", EVIL))))
    assert {rule["id"]: rule["defaultConfiguration"]["level"] for rule in run["tool"]["driver"]["rules"]} == {
        "dangerous-import": "error",
        "unapproved-import": "warning",
    }
