"""``weighlock where`` as a person types it: answers, exit codes, forms, and wrong usage."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.incidents.world import World, digest, locked
from weighlock._cli import main
from weighlock.lockfile import PathSource


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
        (["where", "x", "--ledger", "/nowhere/at/all"], "there is no ledger"),
        (["where", "sha256:zz"], "is no digest"),
        (["where", "sha256:12"], "is no digest"),
        (["where", "."], "is a folder that no lockfile lists"),
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


@pytest.mark.parametrize("spelled", ["./net", "net", "./net/", "net/", "{project}/net", "../project/net"])
def test_a_folder_that_is_locked_is_found_however_its_path_is_written(world, capsys, spelled):
    (world.project / "net").mkdir()
    source = PathSource(path="./net")
    world.lock(replace(locked("./net", "net:w"), source=source))
    assert main(["where", spelled.format(project=world.project)]) == 1
    assert "1 file in 1 lockfile" in capsys.readouterr().out


def test_a_folder_that_is_locked_is_found_from_within_another_folder(world, capsys, monkeypatch):
    (world.project / "net").mkdir()
    (world.project / "src").mkdir()
    world.lock(replace(locked("./net", "net:w"), source=PathSource(path="./net")))
    monkeypatch.chdir(world.project / "src")
    assert main(["where", "../net"]) == 1
    assert "is a model: ./net" in capsys.readouterr().out


@pytest.mark.parametrize("cut", ["sha256:{:.12}…", "SHA256:{}"])
def test_a_digest_is_found_as_reports_show_it(world, capsys, cut):
    assert main(["where", cut.format(digest("base:w"))]) == 1
    assert "is a digest" in capsys.readouterr().out
