"""``weighlock incident report`` as a person types it."""

from __future__ import annotations

import json

import pytest

from tests.incidents.world import World, digest, locked
from weighlock._cli import main


@pytest.fixture
def world(tmp_path, monkeypatch):
    made = World(tmp_path)
    monkeypatch.chdir(made.project)
    for name, value in made.environ.items():
        monkeypatch.setenv(name, value)
    made.lock(locked("org/base", "base:w"))
    made.record(made.entry("base:w"))
    return made


def test_markdown_is_written_by_default(world, capsys):
    assert main(["incident", "report", digest("base:w")]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("# Incident: ")
    assert "REPORTED" in shown


def test_a_quarantine_by_its_id_names_its_reason_and_its_release(world, capsys):
    words = ["quarantine", digest("base:w"), "--reason", "a backdoor", "--yes", "--format", "json"]
    assert main(words) == 0
    named = next(word for word in capsys.readouterr().out.replace('"', " ").split() if word.startswith("Q-"))
    assert main(["quarantine", "--release", named, "--reason", "a false alarm"]) == 0
    capsys.readouterr()
    assert main(["incident", "report", named, "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["action"] for one in found["steps"]] == ["loaded", "quarantined", "released"]
    assert found["denials"][0]["reason"] == "a backdoor"
    assert found["denials"][0]["released"] is not None


def test_proofs_are_written_into_a_folder(world, tmp_path, capsys):
    assert main(["incident", "report", digest("base:w"), "--proofs", str(tmp_path / "p"), "--format", "text"]) == 0
    assert {one.name for one in (tmp_path / "p").iterdir()} == {
        "proof-0000000.json", "checkpoint.note", "ledger.vkey", "verifier.py",
    }  # fmt: skip
    assert capsys.readouterr().out.startswith("REPORTED  ")


def test_a_time_that_is_none_is_an_error(world, capsys):
    assert main(["incident", "report", digest("base:w"), "--since", "yesterday"]) == 2
    assert "is no time" in capsys.readouterr().err


def test_what_is_not_known_ends_with_0_where_everything_was_looked_at(world, capsys):
    assert main(["incident", "report", digest("never")]) == 0
    assert "NOTHING KNOWN" in capsys.readouterr().out


def test_a_folder_of_proofs_that_cannot_be_made_is_an_error(world, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["incident", "report", digest("base:w"), "--proofs", str(tmp_path / "file" / "p")]) == 2
    assert "cannot be written" in capsys.readouterr().err
