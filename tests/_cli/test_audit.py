"""`weighlock audit` as people and programs call it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.gates.conftest import safetensors
from tests.sealed import entries
from weighlock._cli import main

CARD = "---\nlicense: apache-2.0\n---\n# A model\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEIGHLOCK_LEDGER", str(tmp_path / "ledger"))
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "model.safetensors").write_bytes(safetensors())
    (tmp_path / "m" / "README.md").write_text(CARD, "utf-8")
    (tmp_path / "weighlock.toml").write_text("", "utf-8")
    assert main(["lock", "./m"]) == 0
    return tmp_path


def test_open_questions_are_a_denial(project: Path, capsys: pytest.CaptureFixture[str]):
    capsys.readouterr()
    assert main(["audit", "./m"]) == 1
    shown = capsys.readouterr().out
    assert shown.splitlines()[-1].startswith("DENY")
    assert "asked of: responsible AI" in shown


@pytest.mark.parametrize(("kind", "start"), [("json", "{"), ("markdown", "# Audit of"), ("html", "<!DOCTYPE html>")])
def test_every_form_is_written(project: Path, kind: str, start: str):
    assert main(["audit", "./m", "--format", kind, "--output", "report"]) == 1
    assert (project / "report").read_text("utf-8").startswith(start)


def test_the_record_that_init_writes_is_read_and_answers_nothing(project: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["audit", "./m", "--init"]) == 0
    assert 'item = "bias-report"' in (project / "audit.toml").read_text("utf-8")
    capsys.readouterr()
    assert main(["audit", "./m", "--format", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["digests"]["record"].startswith("sha256:")
    assert {item["status"] for item in document["items"] if item["kind"] == "human"} == {"not assessed"}


def test_init_overwrites_no_answers(project: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["audit", "./m", "--init"]) == 0
    before = (project / "audit.toml").read_text("utf-8")
    assert main(["audit", "./m", "--init"]) == 2
    assert "has answers for ./m already" in capsys.readouterr().err
    assert (project / "audit.toml").read_text("utf-8") == before


def test_init_adds_a_second_model(project: Path):
    (project / "n").mkdir()
    (project / "n" / "model.safetensors").write_bytes(safetensors())
    assert main(["lock", "./n"]) == 0
    assert main(["audit", "./m", "--init"]) == 0
    assert main(["audit", "./n", "--init"]) == 0
    assert (project / "audit.toml").read_text("utf-8").count("[[models]]") == 2
    assert main(["audit", "./n"]) == 1


def test_a_broken_record_is_no_decision(project: Path, capsys: pytest.CaptureFixture[str]):
    (project / "audit.toml").write_text('audit-version = "1.0"\nrequire = ["bias"]\n', "utf-8")
    assert main(["audit", "./m"]) == 2
    told = capsys.readouterr().err
    assert "require[0]: there is no item 'bias'" in told
    assert "bias-report" in told.partition("hint: did you mean ")[2]


def test_what_is_nowhere_is_no_decision(project: Path):
    assert main(["audit", "org/nothing"]) == 2


def test_the_verdict_is_recorded_with_what_it_rests_on(project: Path):
    assert main(["audit", "./m", "--format", "json", "--output", "report.json"]) == 1
    digest = json.loads((project / "report.json").read_text("utf-8"))["model"]["digest"]
    [verdict, written] = entries("audit")
    assert (verdict.kind, verdict.subject, verdict.verdict) == ("model", "./m", "DENY")
    assert str(verdict.digest) == digest
    assert verdict.evidence
    assert written.kind == "document"
    assert written.digest.value == hashlib.sha256((project / "report.json").read_bytes()).hexdigest()


def test_packages_are_judged_with_it(project: Path, capsys: pytest.CaptureFixture[str]):
    (project / "requirements.txt").write_text("torch==2.13.0\n", "utf-8")
    # Without advisories nothing can be decided about packages, and the audit says so.
    assert main(["audit", "./m", "-r", "requirements.txt", "--offline"]) == 2
    assert "advisory database" in capsys.readouterr().err
