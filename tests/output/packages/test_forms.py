from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.output.packages import package_reports as reports
from tests.output.sarif_schema import valid_run
from weighlock.advisory import Severity
from weighlock.gates.packages import PackageReport
from weighlock.output.packages import FORMS, render
from weighlock.output.packages import text as text_form
from weighlock.release import Origin

_COMMAND = re.compile(r"^\s*::|##", re.MULTILINE)


def _results(report: PackageReport) -> list[dict]:
    return valid_run(render(report, "sarif"))["results"]


@pytest.mark.parametrize("form", [form for form in FORMS if form != "github"])
def test_no_form_says_a_line_that_the_log_of_a_build_would_obey(form: str):
    text = render(reports.hostile(), form)
    assert not _COMMAND.search(text.replace("## weighlock check", "").replace("### Upgrades", ""))
    assert "\x1b" not in text
    assert "\r" not in text
    text.encode("utf-8")


@pytest.mark.parametrize("width", range(40, 130, 9))
def test_a_wrapped_word_does_not_become_a_command_of_a_build(width: int):
    summary = " ".join(["word"] * 7 + ["::add-mask::word", "##[error]word"] * 20)
    item = reports.package("x", "1", reports.advisory("A-1", Severity.HIGH, summary))
    text = text_form.render(PackageReport(command="check", packages=(item,)), width=width)
    assert not _COMMAND.search(text)


def test_annotations_hold_one_command_a_line_and_hostile_text_adds_none():
    lines = render(reports.hostile(), "github").splitlines()
    commands = [line for line in lines if line.lstrip().startswith("::")]
    honest = re.compile(r"::(error|warning|notice)( (file|title)=[^:,]*(,(line|title)=[^:,]*)*)?::")
    for line in commands:
        match = honest.match(line)
        assert match, line
        assert "%0A" not in line.replace("%250A", "")
        assert not re.search(r"%(?!25|3A|2C|0D|0A)", line)
    assert len(commands) == len([line for line in lines if "::" in line and line.startswith("::")])
    assert len(lines) - len(commands) == 2  # ages and the summary


def test_annotations_name_file_line_and_rule():
    lines = render(reports.mixed(), "github").splitlines()
    assert lines[1].startswith(
        "::error file=requirements.txt,line=3,title=weighlock%3A PYSEC-2021-66::jinja2==2.4.1: "
    ) or lines[0].startswith("::")
    assert any("::error file=requirements.txt,line=7,title=weighlock%3A release-age::newborn==1.0" in x for x in lines)
    assert "::warning::contents of wheels were not inspected" in lines


def test_hostile_markdown_is_shown_and_not_obeyed():
    text = render(reports.hostile(), "markdown")
    assert not re.search(r"<(?!/?(code|details|summary)\b)", text)
    assert text.count("</details>") == text.count("<details>")
    for mark in ("[a](", "![", "@everyone", "www.", "://", "`", "]("):
        assert mark not in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {5}


def test_markdown_says_what_is_refused_and_what_to_write():
    text = render(reports.mixed(), "markdown")
    assert text.startswith("## weighlock check: refused\n")
    assert "jinja2&#61;&#61;2&#46;11&#46;3" in text
    assert render(reports.empty(), "markdown").startswith("## weighlock check: admitted\n")


def test_junit_is_well_formed_whatever_stands_in_it_and_counts_right():
    for report in (reports.hostile(), reports.mixed(), reports.empty()):
        root = ET.fromstring(render(report, "junit"))  # noqa: S314 - our own document
        (suite,) = root
        assert (root.tag, suite.tag) == ("testsuites", "testsuite")
        cases = suite.findall("testcase")
        assert len(cases) == int(suite.attrib["tests"]) == len(report.judged)
        assert len(suite.findall("testcase/failure")) == int(suite.attrib["failures"])
        assert len(suite.findall("testcase/error")) == int(suite.attrib["errors"])
        assert all({"classname", "name", "time"} <= set(case.attrib) for case in cases)
        assert {child.tag for case in cases for child in case} <= {"failure", "error"}


def test_what_could_not_be_decided_is_an_error_of_junit_and_not_a_pass():
    root = ET.fromstring(render(PackageReport(command="check", packages=(_lost(),)), "junit"))  # noqa: S314
    assert [element.attrib["type"] for element in root.iter("error")] == ["unverifiable"]


def _lost():
    return reports.package("lost", "1.0", reports.unknown())


def test_json_has_every_fact_and_is_ascii():
    text = render(reports.hostile(), "json")
    assert text.isascii()
    assert json.loads(text)["summary"] == {"packages": 2, "files": 1, "allowed": 0, "denied": 3}
    document = json.loads(render(reports.mixed(), "json"))
    (jinja,) = [item for item in document["packages"] if item["name"] == "jinja2"]
    assert jinja["origin"] == {"path": "requirements.txt", "line": 3, "text": "jinja2==2.4.1"}
    assert jinja["verdict"]["decision"] == "DENY"
    assert jinja["findings"][0]["advisory"]["fixed"] == ["2.11.3"]
    assert document["advisories"][0]["age-hours"] == 216
    assert document["suggestions"][0]["line"] == "jinja2==2.11.3"


def test_sarif_has_a_result_for_each_reason_in_the_file_that_asks_for_the_package():
    results = {result["ruleId"]: result for result in _results(reports.mixed())}
    assert set(results) == {
        "PYSEC-2021-66", "PYSEC-2014-8", "PYSEC-2099-1", "release-age", "stray", "unverifiable",
    }  # fmt: skip
    where = results["PYSEC-2021-66"]["locations"][0]["physicalLocation"]
    assert where == {"artifactLocation": {"uri": "requirements.txt"}, "region": {"startLine": 3}}
    assert results["PYSEC-2021-66"]["level"] == "error"
    assert results["PYSEC-2099-1"]["level"] == "note"
    assert _results(reports.empty()) == []


def test_sarif_of_hostile_texts_is_valid():
    run = valid_run(render(reports.hostile(), "sarif"))
    assert all("security-severity" in rule["properties"] for rule in run["tool"]["driver"]["rules"])


def test_fingerprints_stay_when_a_line_a_version_or_an_age_moves():
    def prints(name: str = "x", version: str = "1", line: int = 1, age: str = "3 hours", path: str = "r.txt") -> str:
        young = replace(reports.young(), message=f"it is {age} old")
        item = reports.package(name, version, young, origin=Origin(path=path, line=line))
        (result,) = _results(PackageReport(command="check", packages=(item,)))
        return result["partialFingerprints"]["weighlock/v1"]

    assert len({prints(), prints(line=9), prints(version="2"), prints(age="4 hours")}) == 1
    assert len({prints(), prints(name="y"), prints(path="s.txt")}) == 3


def test_two_start_up_files_of_one_package_are_two_results():
    item = reports.package("x", "1", reports.member("a.pth"), replace(reports.member("b.pth"), message="it runs, too"))
    results = _results(PackageReport(command="check", packages=(item,)))
    assert len({result["partialFingerprints"]["weighlock/v1"] for result in results}) == len(results) == 2


@pytest.mark.parametrize("width", [40, 80, 200])
def test_text_puts_refusals_last_and_keeps_to_the_width(width: int):
    text = text_form.render(reports.mixed(), width=width)
    assert text.rindex("ALLOW  ") < text.index("DENY  ")
    assert "\x1b" not in text
    long = [line for line in text.splitlines() if len(line) > width and "approve" not in line]
    assert [line for line in long if " " in line.strip().removeprefix("DENY").strip()] == []
    assert "advisories: osv, 9 days old" in text


def test_many_that_are_refused_for_the_same_reasons_are_told_together_and_none_is_lost():
    same = [reports.package(f"p{number}", "1", reports.unknown()) for number in range(5)]
    text = text_form.render(PackageReport(command="check", packages=(*same, _lost(), *reports.mixed().packages)))
    assert text.count("unverifiable: no index") == 1
    assert text.count("6 for the same reasons") + text.count("7 for the same reasons") == 1
    for item in same:
        assert f"  {item.release.artifact.name}  1\n" in text
        assert f'accept = [{{ package = "{item.release.artifact.name}"' in text
    few = text_form.render(PackageReport(command="check", packages=tuple(same[:3])))
    assert few.count("unverifiable: no index") == 3


def test_text_says_with_colour_nothing_that_it_does_not_say_without():
    colored = text_form.render(reports.mixed(), color=True)
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == text_form.render(reports.mixed())


def _keys(value: object) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {key for item in value.values() for key in _keys(item)}
    if isinstance(value, list):
        return {key for item in value for key in _keys(item)}
    return set()


def test_every_field_and_every_form_is_documented():
    page = (Path(__file__).parents[3] / "docs" / "check.md").read_text(encoding="utf-8")
    document = json.loads(render(reports.mixed(), "json"))
    assert [key for key in _keys(document) if f"`{key}`" not in page and f".{key}`" not in page] == []
    assert [form for form in FORMS if f"| `{form}` |" not in page] == []
