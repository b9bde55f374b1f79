"""``weighlock where`` as a person types it: answers, exit codes, forms, and wrong usage."""

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


def test_what_is_found_ends_with_1_and_says_where(world, capsys):
    assert main(["where", "org/base"]) == 1
    shown = capsys.readouterr().out
    assert shown.startswith("FOUND  org/base\n")
    for part in (str(world.project / "models.lock"), "train-1", "ann  load torch.load  ALLOW, once", "entries 0"):
        assert part in shown


def test_what_is_nowhere_ends_with_0_and_says_what_was_looked_at(world, capsys):
    assert main(["where", digest("never")]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("NOWHERE KNOWN")
    assert "ledger: " in shown
    assert "1 entry, 1 of them sealed" in shown
    assert "lockfile: " in shown


def test_what_could_not_be_looked_at_ends_with_2_and_not_with_0(world, capsys):
    (world.project / "bad.cdx.json").write_text("{")
    assert main(["where", digest("never")]) == 2
    shown = capsys.readouterr().out
    assert shown.startswith("NOT DECIDED")
    assert "bad.cdx.json" in shown
    assert "hint: " in shown


def test_a_hit_counts_also_where_something_could_not_be_looked_at(world, capsys):
    (world.project / "bad.cdx.json").write_text("{")
    assert main(["where", "org/base"]) == 1
    assert "not looked at" in capsys.readouterr().out


def test_json_and_html_are_written_to_files(world, tmp_path, capsys):
    assert main(["where", "org/base", "--format", "json", "--output", str(tmp_path / "a.json")]) == 1
    assert json.loads((tmp_path / "a.json").read_text())["answer"] == "found"
    assert main(["where", "org/base", "--format", "html", "--output", str(tmp_path / "a.html")]) == 1
    assert (tmp_path / "a.html").read_text().startswith("<!DOCTYPE html>")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["where", ""], "is nothing that could be looked for"),
        (["where", "x", "--in", "/nowhere/at/all"], "cannot be read"),
        (["where", "x", "--as", "colour"], "Invalid value for '--as'"),
        (["where", "not a digest", "--as", "digest"], "cannot be a digest"),
        (["where", "x", "--output", "/nowhere/at/all/a"], "its folder is not there"),
    ],
)
def test_wrong_usage_ends_with_2_and_a_hint(world, capsys, arguments, why):
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert why in told
    assert "hint: " in told


def test_a_name_that_could_be_anything_is_answered_for_what_it_is(world, capsys):
    assert main(["where", "nothing-like-this"]) == 0
    shown = capsys.readouterr().out
    assert "not known as a model: nothing-like-this" in shown
    assert "signer" not in shown
