"""``weighlock quarantine`` and the commands that it stops, as a person types them."""

from __future__ import annotations

import functools
import http.server
import json
import os
import pickle
import threading

import pytest

from weighlock._cli import main

DATA = pickle.dumps({"weights": [1, 2]})


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEIGHLOCK_STATE", str(tmp_path / "state"))
    for name in ("WEIGHLOCK_SIGNING_KEY", "WEIGHLOCK_LEDGER"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "m.pkl").write_bytes(DATA)
    assert main(["lock", "./net"]) == 0
    return tmp_path


def deny(capsys, *words: str) -> dict:
    capsys.readouterr()
    assert main(["quarantine", *words, "--reason", "it opens a shell", "--yes", "--format", "json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_sync_lock_verify_and_scan_stop_at_what_is_in_quarantine(project, capsys):
    said = deny(capsys, "net/m.pkl")
    assert said["stops"]["models"] == ["./net"]
    for words in (["sync"], ["lock", "./net"], ["verify"], ["scan", "net"]):
        assert main(words) == 1, words
        told = capsys.readouterr()
        assert "it opens a shell" in told.out + told.err, words
    assert main(["quarantine", "--release", said["id"], "--reason", "a false alarm"]) == 0
    for words in (["sync"], ["lock", "./net"], ["verify"], ["scan", "net"]):
        assert main(words) == 0, words


def test_scan_names_a_file_that_is_no_model_and_in_quarantine(project, capsys):
    (project / "code.py").write_text("x = 1\n")
    deny(capsys, "code.py")
    assert main(["scan", "code.py"]) == 1
    assert "quarantined" in capsys.readouterr().out


def test_what_is_in_quarantine_is_released_and_not_approved(project, capsys):
    said = deny(capsys, "net/m.pkl")
    (project / "models.lock").unlink()
    assert main(["lock", "./net"]) == 1
    told = capsys.readouterr().err
    assert f"--release {said['id']}" in told
    assert "weighlock approve" not in told


def test_a_model_is_denied_by_its_name_with_every_file_that_is_known(project, capsys):
    said = deny(capsys, "./net", "--as", "model")
    assert said["models"] == ["./net"]
    assert len(said["digests"]) == 1
    assert main(["verify"]) == 1


@pytest.mark.parametrize("spelled", ["net", "net/", "./net/", "{}/net"])
def test_a_folder_is_denied_as_the_model_that_it_is_locked_as(project, capsys, spelled):
    said = deny(capsys, spelled.format(project))
    assert said["subject"] == {"kind": "model", "value": "./net"}
    assert "./net" in said["models"]
    assert len(said["digests"]) == 1


@pytest.mark.parametrize("how", [["--dry-run"], ["--reason", "r", "--yes"]])
def test_an_advisory_that_nobody_knows_is_not_said_to_be_denied(project, capsys, how, monkeypatch):
    monkeypatch.setenv("WEIGHLOCK_ADVISORIES", str(project / "none.sqlite"))
    capsys.readouterr()
    assert main(["quarantine", "CVE-2026-12345", *how]) == 2
    told = capsys.readouterr()
    assert "will be denied" not in told.out + told.err
    assert "would deny nothing" in told.err
    assert "weighlock advisories update" in told.err
    assert main(["quarantine", "--show"]) == 2


def test_what_it_will_stop_is_said_before_anything_is_done(project, capsys):
    assert main(["quarantine", "net/m.pkl", "--dry-run"]) == 0
    assert "locked model: ./net" in capsys.readouterr().out
    assert main(["quarantine", "--show"]) == 2


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([], "takes SUBJECT"),
        (["net/m.pkl"], "nothing says why"),
        (["net/m.pkl", "--reason", " "], "nothing says why"),
        (["net/m.pkl", "--reason", "x"], "nobody is there to be asked"),
        (["net/m.pkl", "--show"], "takes SUBJECT"),
        (["nothing", "--reason", "x", "--yes"], "known nowhere"),
        (["net/m.pkl", "--reason", "x", "--yes", "--expires", "soon"], "must be a time"),
        (["net/m.pkl", "--reason", "x", "--yes", "--expires", "0d"], "over at once"),
        (["--release", "Q-1", "--reason", "x"], "no entry"),
        (["--refresh", "--list", "https://example.org/x"], "URL"),
        (["--export", "x.json"], "there is no list"),
    ],
)
def test_what_makes_no_sense_changes_nothing(project, capsys, words, why):
    assert main(["quarantine", *words]) == 2
    assert why in capsys.readouterr().err
    assert not os.path.lexists(project / "state" / "ledger" / "quarantine.sigstore.json")


def test_a_release_says_what_is_denied_by_another_entry_all_the_same(project, capsys):
    first, second = deny(capsys, "net/m.pkl"), deny(capsys, "./net")
    assert main(["quarantine", "--release", first["id"], "--reason", "a false alarm"]) == 0
    assert f"still denied by {second['id']}" in capsys.readouterr().out
    assert main(["quarantine", "--release", second["id"], "--reason", "a false alarm"]) == 0
    assert "still denied" not in capsys.readouterr().out


def test_an_entry_that_ends_says_when(project, capsys):
    deny(capsys, "net/m.pkl", "--expires", "30d")
    assert main(["quarantine", "--show"]) == 0
    assert ", until 20" in capsys.readouterr().out


def test_a_hostile_reason_is_shown_and_obeyed_by_nobody(project, capsys):
    capsys.readouterr()
    words = ["quarantine", "net/m.pkl", "--reason", "x\x1b[2J\n::error::y", "--yes"]
    assert main(words) == 0
    assert main(["quarantine", "--show"]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert not any(line.lstrip().startswith("::") for line in shown.splitlines())


def test_a_list_that_was_rolled_back_is_neither_shown_nor_continued(project, capsys):
    deny(capsys, "net/m.pkl")
    place = project / "state" / "ledger" / "quarantine.sigstore.json"
    older = place.read_bytes()
    deny(capsys, "c" * 64)
    place.write_bytes(older)
    for words in (["--show"], ["--refresh"], ["d" * 64, "--reason", "x", "--yes"]):
        assert main(["quarantine", *words]) == 1
        assert "rolled back" in capsys.readouterr().err


def test_show_reads_a_list_behind_a_url_and_names_what_else_holds_here(project, capsys, monkeypatch):
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(project / "www"))
    ) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/list.json"
        team(project, monkeypatch, url)
        assert main(["quarantine", "--show"]) == 2
        assert f"--list {url}" in capsys.readouterr().err
        assert main(["quarantine", "--show", "--list", url]) == 2
        assert "there is no list" in capsys.readouterr().err
        listed = ["--list", "www/list.json", "--key", "security.pem"]
        assert main(["quarantine", "net/m.pkl", "--reason", "it opens a shell", "--yes", *listed]) == 0
        assert main(["quarantine", "--show", "--list", url]) == 0
        assert "it opens a shell" in capsys.readouterr().out
        assert main(["quarantine", "--refresh", "--list", url, "--key", "security.pem"]) == 2
        server.shutdown()
    assert main(["quarantine", "--show", "--list", url]) == 2
    assert "cannot be reached" in capsys.readouterr().err


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A server of files that says nothing."""

    def log_message(self, *_):
        pass


def team(project, monkeypatch, url: str) -> None:
    """Let a team's policy name a list behind a URL."""
    (project / "www").mkdir()
    assert main(["sign", "--generate-key", "security.pem", "--no-passphrase"]) == 0
    text = '[[evidence.signers]]\nname = "security"\nkey = "security.pem.pub"\n'
    text += f'[quarantine]\nlists = ["{url}"]\nsigners = ["security"]\n'
    (project / "weighlock.toml").write_text(text)
    monkeypatch.setenv("WEIGHLOCK_POLICY", str(project / "weighlock.toml"))
