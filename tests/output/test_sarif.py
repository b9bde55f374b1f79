from __future__ import annotations

import pathlib

from tests.output.reports import CLEAN, EVIL, NEEDY, hostile, judged, mixed, report
from tests.output.sarif_schema import valid_run
from weighlock.finding import Inspection, Outcome
from weighlock.output.sarif import render


def test_each_denied_artifact_has_a_result_and_allowed_ones_have_none():
    run = valid_run(render(mixed()))
    assert [result["ruleId"] for result in run["results"]] == ["dangerous-import", "unapproved-import"]
    assert [result["level"] for result in run["results"]] == ["error", "warning"]
    assert "weighlock approve ./dir/evil.bin" in run["results"][0]["message"]["text"]
    assert run["results"][0]["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "archive/data.pkl@23"
    assert run["results"][1]["locations"][0]["physicalLocation"]["region"]["byteOffset"] == 7


def test_a_denial_without_a_finding_still_has_a_result():
    bare = Inspection(format="pickle", outcome=Outcome.UNVERIFIABLE)
    (result,) = valid_run(render(report(judged("a.pkl", bare))))["results"]
    assert result["ruleId"] == "unverifiable"
    assert result["level"] == "error"


def test_a_report_without_denials_is_valid_and_empty():
    assert valid_run(render(report(judged("a", CLEAN))))["results"] == []


def test_hostile_names_are_percent_encoded_and_messages_escaped():
    evil = hostile("it calls a\nb\ud800", "x\x1b[2J")
    text = render(report(judged("a b\n\x1b%\udcff:?#.bin", evil)))
    (result,) = valid_run(text)["results"]
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "a%20b%0A%1B%25%FF%3A%3F%23.bin"
    assert text.isascii()
    assert "\\ud800" in result["message"]["text"]


def test_fingerprints_do_not_move_with_the_offset_but_with_the_finding():
    def prints(offset: int, message: str, path: str = "a") -> str:
        item = judged(path, hostile(message, "m", offset=offset))
        (result,) = valid_run(render(report(item)))["results"]
        value: str = result["partialFingerprints"]["weighlock/v1"]
        return value

    assert prints(1, "it calls x") == prints(99, "it calls x")
    assert len({prints(1, "it calls x"), prints(1, "it calls y"), prints(1, "it calls x", str(pathlib.Path("b")))}) == 3


def test_one_rule_for_many_files_takes_the_worst_level():
    run = valid_run(render(report(judged("a", NEEDY), judged("b", EVIL), judged("c", EVIL))))
    assert {rule["id"]: rule["defaultConfiguration"]["level"] for rule in run["tool"]["driver"]["rules"]} == {
        "dangerous-import": "error",
        "unapproved-import": "warning",
    }
