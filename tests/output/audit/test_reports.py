"""Reports for terminals, programs and pull requests say the same, and hostile texts stay texts in each."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest

from tests.audit.samples import facts
from tests.output.audit.samples import MARKER, allowed, hostile, large
from weighlock.audit.item import Status
from weighlock.audit.record import parse
from weighlock.audit.verdict import conclude
from weighlock.output.audit import json as as_json
from weighlock.output.audit import markdown, record, text
from weighlock.output.audit.words import reproduce, sentence

CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


@pytest.mark.parametrize("make", [allowed, large, hostile])
def test_nothing_that_a_terminal_obeys_gets_through(make):
    for report in (text.render(make()), markdown.render(make()), record.questions(make())):
        assert not CONTROLS.search(report)
        assert not re.search(r"^\s*::", report, re.MULTILINE)


def test_long_texts_are_cut_in_what_people_read():
    assert len(text.render(hostile())) < 100_000
    assert len(markdown.render(hostile())) < 300_000
    assert max(map(len, text.render(hostile()).splitlines())) < 1000


def test_markdown_holds_no_markup_of_a_model():
    report = markdown.render(hostile())
    assert "<script" not in report
    assert "<img" not in report
    assert "](" not in report
    assert "<!--" not in report
    assert not re.search(r"(?<![\w`&#])@everyone", report)
    tags = set(re.findall(r"<(\w+)", report))
    assert tags <= {"br", "code"}  # the latter around an @, so that nobody is called


def test_tables_of_markdown_have_as_many_cells_as_heads():
    for make in (allowed, hostile):
        width = None
        for line in markdown.render(make()).splitlines():
            if not line.startswith("|"):
                width = None
                continue
            width = width or line.count("|")
            assert line.count("|") == width


def test_json_is_ascii_and_is_read_by_everybody():
    for make in (allowed, large, hostile):
        report = as_json.render(make())
        assert report.isascii()
        document = json.loads(report)
        assert "\\ud" not in report.lower() or all(ord(c) < 0xD800 or ord(c) > 0xDFFF for c in json.dumps(document))
        assert document["command"] == "audit"


def test_json_says_everything():
    document = json.loads(as_json.render(allowed()))
    assert document["audit-version"] == "1.0"
    assert document["verdict"]["decision"] == "ALLOW"
    assert document["model"]["revision"] == facts().source.revision
    assert Counter(item["status"] for item in document["items"]) == {"pass": 34, "waived": 1}
    waived = next(item for item in document["items"] if item["waiver"])
    assert waived["id"] == "export"
    assert waived["waiver"]["expires"] == "2027-02-23"
    assert document["ledger"]["index"] == 41
    assert document["lineage"]["relatives"][0]["name"] == "org/base"
    assert {row["standard"] for row in document["evidence-for"]["identifiers"]} == {
        "SLSA 1.2",
        "NIST AI RMF 1.0",
        "OWASP ML Top 10 (2023)",
        "MITRE ATLAS 5.6.0",
    }
    assert len(document["files"][0]["sha256"]) == 64


def test_findings_keep_their_place_in_json():
    document = json.loads(as_json.render(hostile()))
    location = document["files"][0]["findings"][0]["location"]
    assert location["offset"] == 2**70
    assert (
        MARKER in location["members"][0] + location["members"][1] + document["files"][0]["path"] or location["members"]
    )


def test_no_report_claims_compliance():
    for report in (text.render(allowed()), markdown.render(allowed()), as_json.render(allowed())):
        assert "compliant" not in report
        assert not re.search(r"(?<!never proof of )compliance", report)


def test_text_says_the_verdict_last():
    assert text.render(allowed()).splitlines()[-1].startswith("ALLOW  Of 35 items")
    assert text.render(large()).splitlines()[-1].startswith("DENY  Of 35 items")
    assert "\x1b" not in text.render(large())
    assert "\x1b[33mopen" in text.render(large(), color=True)


def test_sentences_count():
    assert sentence(allowed()) == "Of 35 items, 1 is waived, 34 pass."


def test_the_first_record_is_valid_and_answers_nothing():
    audit = conclude(facts(signatures=(), packages=None))
    told = record.beginning() + record.questions(audit)
    found = parse(told).of("org/model")
    assert found is not None
    assert found.digest == audit.facts.digest
    assert not found.answers
    assert not found.waivers
    open_items = {item.question.id for item in audit.items if item.status is Status.NOT_ASSESSED}
    assert open_items <= set(re.findall(r'item = "([\w-]+)"', told))


def test_a_hostile_name_does_not_break_out_of_the_record():
    told = record.beginning() + record.questions(hostile())
    models = parse_hostile(told)
    assert len(models) == 1
    assert models[0].keys() == {"name", "digest"}


def parse_hostile(told: str) -> list[dict[str, object]]:
    import tomllib

    return tomllib.loads(told)["models"]


def test_commands_to_copy_are_quoted():
    commands = [step for step, _ in reproduce(conclude(facts(model="a; rm -rf ~")))]
    assert all("'a; rm -rf ~'" in step for step in commands if "ledger" not in step)
