from __future__ import annotations

import json

import weighlock
from tests.output.reports import CLEAN, EVIL, judged, mixed, report
from weighlock.output.json import render


def test_every_field_that_programs_read_is_there():
    document = json.loads(render(mixed()))
    assert list(document) == ["weighlock", "command", "artifacts", "summary"]
    assert document["weighlock"] == weighlock.__version__
    assert document["command"] == "scan"
    clean, evil, needy = document["artifacts"]
    assert clean["sha256"] == "ab" * 32
    assert "sha256" not in evil
    assert evil == {
        "path": "dir/evil.bin",
        "size": 1234,
        "format": "torch-zip",
        "outcome": "refused",
        "imports": ["posix.system"],
        "needs": ["posix.system"],
        "findings": [
            {
                "check": "dangerous-import",
                "severity": "critical",
                "message": "it calls posix.system",
                "location": "archive/data.pkl@23",
            }
        ],
        "verdict": {
            "decision": "DENY",
            "reasons": [
                {
                    "rule": "refused",
                    "message": "it calls posix.system",
                    "remedy": "weighlock approve ./dir/evil.bin --unsafe --reason TEXT",
                }
            ],
        },
    }
    assert needy["outcome"] == "needs-approval"
    assert needy["verdict"]["decision"] == "DENY"
    assert document["summary"] == {
        "files": 5,
        "repeats": 1,
        "allowed": 1,
        "denied": 2,
        "outcomes": {"not-a-model": 2, "data-only": 1, "needs-approval": 1, "unverifiable": 0, "refused": 1},
    }


def test_a_name_that_is_no_utf_8_does_not_make_the_report_unreadable_for_strict_readers():
    text = render(report(judged("evil\udcff\n\x1b[2J.bin", EVIL)))
    assert text.isascii()
    assert "\\udcff" in json.loads(text)["artifacts"][0]["path"]
    assert json.loads(text)["artifacts"][0]["path"].encode("utf-8")
    assert "\x1b" not in text


def test_nothing_that_a_loader_would_take_is_an_empty_list():
    assert json.loads(render(report(not_models=3)))["artifacts"] == []
    assert json.loads(render(report(judged("a", CLEAN))))["summary"]["denied"] == 0
