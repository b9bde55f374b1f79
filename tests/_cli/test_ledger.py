"""The command ``weighlock ledger``: recorded, sealed, searched, proved and verified, and what is hostile stays text."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from weighlock._cli import main
from weighlock.artifact import Digest
from weighlock.entry import Entry
from weighlock.ledger.keys import LedgerKey
from weighlock.ledger.spool import Spool
from weighlock.ledger.store import FileLedger
from weighlock.verdict import Decision

HOSTILE = "model\x1b[2J\n::error::\u202egnp.exe"
DIGEST = "ab" * 32


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("WEIGHLOCK_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("WEIGHLOCK_LEDGER", str(tmp_path / "ledger"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(place, capsys):
    def run(*arguments):
        code = main(["ledger", *map(str, arguments)])
        done = capsys.readouterr()
        return code, done.out, done.err

    return run


def record(place, count=1, **values):
    spool = Spool(str(place / "ledger" / "spool"))
    for number in range(count):
        fields = {"gate": "load", "kind": "model", "subject": f"model-{number}", "verdict": Decision.ALLOW}
        spool.add(lambda event, time, fields=fields: Entry(event=event, time=time, **(fields | values)))
    return spool


def test_what_was_recorded_is_shown_sealed_and_verified(place, run):
    spool = record(place, 3)
    code, out, _ = run("show")
    assert (code, "unsealed   3" in out, "nothing was sealed yet" in out) == (0, True, True)
    assert run("verify")[0] == 2
    code, note, _ = run("checkpoint")
    assert (code, note.splitlines()[1]) == (0, "3")
    code, out, _ = run("verify", "--format", "json")
    assert (code, json.loads(out)["entries"], json.loads(out)["unsealed"]) == (0, 3, 0)
    assert (place / "ledger" / "checkpoint").read_text() == note
    del spool


def test_a_record_that_was_cut_out_of_a_spool_is_missed(place, run):
    spool = record(place, 5)
    (file,) = (place / "ledger" / "spool").glob("*.jsonl")
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:2] + lines[3:]))
    assert run("checkpoint")[0] == 0
    code, out, _ = run("verify", "--format", "json")
    assert (code, json.loads(out)["entries"], json.loads(out)["missing"]) == (0, 4, 1)
    assert "1 records of processes never came" in run("verify")[1]
    del spool


def test_a_record_that_is_there_twice_does_not_make_up_for_one_that_was_cut_out(place, run):
    spool = record(place, 5)
    (file,) = (place / "ledger" / "spool").glob("*.jsonl")
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([lines[0], lines[0], *lines[2:]]))
    assert run("checkpoint")[0] == 0
    assert json.loads(run("verify", "--format", "json")[1])["missing"] == 1
    del spool


def test_a_line_that_is_broken_is_one_record_that_never_came(place, run):
    spool = record(place, 5)
    (file,) = (place / "ledger" / "spool").glob("*.jsonl")
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([*lines[:2], b"{}\n", *lines[3:]]))
    assert run("checkpoint")[0] == 0
    assert json.loads(run("verify", "--format", "json")[1])["missing"] == 1
    del spool


def test_hostile_names_do_not_reach_the_terminal(place, run):
    record(place, subject=HOSTILE, rules=("\x1b]0;owned\x07",), actor="\x1b[31m")
    for arguments in (("tail",), ("search",), ("search", "--subject", "MODEL")):
        code, out, _ = run(*arguments)
        assert code == 0
        assert out.count("\n") == 1
        assert out.strip().isprintable()
    code, out, _ = run("tail", "--format", "json")
    assert json.loads(out)["entry"]["subject"] == HOSTILE
    assert out.isascii()


@pytest.mark.parametrize(
    ("conditions", "found"),
    [
        ((), 4),
        (("--verdict", "deny"), 1),
        (("--gate", "scan"), 1),
        (("--actor", "a@b"), 1),
        (("--digest", DIGEST), 2),
        (("--digest", f"sha256:{DIGEST}"), 2),
        (("--subject", "MODEL-"), 4),
        (("--subject", "nothing"), 0),
        (("--since", "1h"), 4),
        (("--since", "2999-01-01"), 0),
        (("--until", "2020-01-01T00:00:00Z"), 0),
        (("--gate", "load", "--verdict", "deny"), 0),
    ],
)
def test_search_finds_what_fulfils_every_condition(place, run, conditions, found):
    record(place)
    record(place, gate="scan", verdict=Decision.DENY)
    record(place, actor="a@b", digest=Digest("sha256", DIGEST))
    record(place, evidence=(f"sha256:{DIGEST}",))
    code, out, _ = run("search", *conditions)
    assert (code, len(out.splitlines())) == (0, found)


@pytest.mark.parametrize("wrong", [("--since", "yesterday"), ("--digest", "ab"), ("--verdict", "maybe")])
def test_a_condition_that_nothing_could_fulfil_is_an_error(run, wrong):
    assert run("search", *wrong)[0] == 2


def test_a_proof_is_checked_by_the_separate_verifier(place, run):
    record(place, 300, digest=Digest("sha256", DIGEST))
    assert run("verifier", "--output", "v.py")[0] == 0
    assert run("key", "--output", "ledger.vkey")[0] == 0
    for wanted in ("0", "299", f"sha256:{DIGEST}"):
        assert run("prove", wanted, "--output", "proof.json")[0] == 0
        command = [sys.executable, "-I", "v.py", "proof", "proof.json", "--key", "ledger.vkey"]
        assert subprocess.run(command, capture_output=True, check=True).stdout.startswith(b"verified: entry ")
    proof = json.loads((place / "proof.json").read_text())
    for key, value in (
        ("index", 298),
        ("index", True),
        ("entry", "e30="),
        ("inclusion", proof["inclusion"][1:]),
        ("checkpoint", proof["checkpoint"].replace("\n300\n", "\n301\n")),
        ("checkpoint", None),
    ):
        (place / "proof.json").write_text(json.dumps(proof | {key: value}))
        assert subprocess.run(command, capture_output=True, check=False).returncode == 1
    (place / "proof.json").write_text("{}")
    assert subprocess.run(command, capture_output=True, check=False).returncode == 2


@pytest.mark.parametrize("wanted", ["7", "no-such-event", "c" * 64, "-1"])
def test_what_is_not_there_is_not_proved(place, run, wanted):
    record(place)
    assert run("prove", "--", wanted)[0] == 2


def test_a_ledger_that_was_put_back_is_a_rollback(place, run):
    record(place, 2)
    (place / "old").write_text(run("checkpoint")[1])
    (place / "vkey").write_text(run("key")[1])
    shutil.copytree(place / "ledger", place / "copy")
    record(place, 2)
    (place / "new").write_text(run("checkpoint")[1])
    assert run("verify", "--since", "old")[0] == 0
    shutil.rmtree(place / "ledger")
    shutil.copytree(place / "copy", place / "ledger")
    assert run("verify", "--key", (place / "vkey"))[0] == 0  # nothing in the folder says so
    for arguments in (("verify", "--since", "new"), ("verify",), ("checkpoint",)):  # but the key remembers
        code, _, err = run(*arguments)
        assert (code, "rollback" in err) == (1, True)


def test_another_key_is_found(place, run):
    record(place, 2)
    run("checkpoint")
    vkey = run("key")[1]
    other = place / "other"
    assert run("key", "--ledger", other, "--origin", "example.org/other", "--output", "other.vkey")[0] == 0
    assert run("verify", "--key", vkey.strip())[0] == 0
    code, _, err = run("verify", "--key", "other.vkey")
    assert (code, "swapped key" in err) == (1, True)
    assert run("verify", "--key", "nowhere")[0] == 2
    assert run("key", "--origin", "renamed")[0] == 2


def test_tail_prints_the_last_ones(place, run):
    record(place, 5)
    assert [line.split()[0] for line in run("tail", "-n", "2")[1].splitlines()] == ["3", "4"]
    assert run("tail", "-n", "0")[1] == ""


def test_a_line_that_is_no_entry_is_told(place, run):
    record(place)
    (place / "ledger" / "spool" / "x.jsonl").write_text("garbage\n")
    code, _, err = run("show")
    assert (code, "1 lines of spools are no entries" in err) == (0, True)


def test_an_unknown_entry_is_shown_as_bytes(place, run):
    from weighlock.gates.ledger import open_ledger

    open_ledger({"WEIGHLOCK_STATE": str(place / "state"), "WEIGHLOCK_LEDGER": str(place / "ledger")}).append(
        [b"\x1b\xff"]
    )
    assert "not an entry" in run("tail")[1]
    assert json.loads(run("tail", "--format", "json")[1]) == {"index": 0, "bytes": "G/8="}


def test_a_database_is_not_taken_for_a_folder(place, run):
    assert run("show", "--ledger", "postgresql://user:secret@host/db")[0] == 2
    assert "secret" not in run("show", "--ledger", "postgresql://user:secret@host/db")[2]
    assert not list(place.glob("postgresql*"))


def test_time_is_utc(place, run):
    spool = Spool(str(place / "ledger" / "spool"))
    fixed = datetime(2026, 11, 1, 12, tzinfo=UTC)
    spool.add(
        lambda event, _: Entry(event=event, time=fixed, gate="load", kind="model", subject="m", verdict=Decision.DENY)
    )
    assert (
        len(run("search", "--since", "2026-11-01T12:00:00", "--until", "2026-11-01T13:00:01+01:00")[1].splitlines())
        == 1
    )


@pytest.mark.parametrize(
    "command", [("show",), ("tail",), ("search", "--verdict", "deny"), ("verify",), ("prove", "0")]
)
def test_a_wrong_path_does_not_look_like_a_ledger_without_denials(run, command):
    code, out, err = run(*command, "--ledger", "typo")
    assert (code, out) == (2, "")
    assert "typo: there is no ledger" in err


def test_a_checkpoint_that_is_none_is_told_by_its_own_name(place, run):
    record(place)
    run("checkpoint")
    (place / "kept.note").write_text("this is none\n")
    code, _, err = run("verify", "--since", "kept.note")
    assert (code, err.startswith("error: kept.note: forged: ")) == (1, True)
    code, _, err = run("verify", "--since", "nope")
    assert (code, err.splitlines()[0]) == (2, "error: nope: the checkpoint is not there")


def test_an_admission_that_enforces_nothing_is_no_exception(place, run):
    record(place, enforced=False)
    record(place, enforced=False, verdict=Decision.DENY)
    out = run("tail")[1]
    assert ("ALLOW  " in out, "ALLOW (" in out, "DENY (not enforced)" in out) == (True, False, True)


def test_what_verify_found_is_found_by_the_digest_of_the_bytes_that_were_there(place, run):
    (place / "model").mkdir()
    (place / "model" / "config.json").write_text("{}")
    assert main(["lock", "./model"]) == 0
    (place / "model" / "config.json").write_text("[]")
    assert main(["verify"]) == 1
    code, out, _ = run("search", "--digest", hashlib.sha256(b"[]").hexdigest())
    assert (code, "verify  DENY (not enforced)  ./model:config.json" in out) == (0, True)


@pytest.mark.parametrize("more", [0, 1, 2, 3])
def test_a_ledger_that_was_put_back_is_found_without_a_checkpoint_kept_elsewhere(place, run, more):
    """The key remembers the last one that it signed, however many other entries come after an older one."""
    spools = [record(place, 3)]
    assert run("checkpoint")[0] == 0
    shutil.copytree(place / "ledger", place / "older")
    spools.append(record(place, 2))
    assert run("checkpoint")[0] == 0
    assert run("verify")[0] == 0
    shutil.rmtree(place / "ledger")
    (place / "older").rename(place / "ledger")
    other = FileLedger(str(place / "ledger"), LedgerKey(str(place / "other.key")))
    if more:
        other.append([b"{}"] * more)
    code, _, err = run("verify")
    assert (code, ("rollback" if more < 2 else "fork") in err) == (1, True)
    del spools


def test_a_ledger_without_its_checkpoint_was_sealed_once(place, run):
    spool = record(place, 3)
    assert run("checkpoint")[0] == 0
    shutil.rmtree(place / "ledger")
    (place / "ledger").mkdir()
    code, _, err = run("verify")
    assert (code, "rollback" in err) == (1, True)
    del spool


def test_who_was_killed_before_a_checkpoint_was_published_left_nothing_wrong(place, run):
    spools = [record(place, 3)]
    assert run("checkpoint")[0] == 0
    shutil.copytree(place / "ledger", place / "before")
    spools.append(record(place, 300))
    assert run("show")[0] == 0  # absorbs them
    shutil.copytree(place / "ledger", place / "unpublished")
    assert run("checkpoint")[0] == 0
    shutil.rmtree(place / "ledger")
    (place / "unpublished").rename(place / "ledger")
    assert run("verify")[0] == 0
    assert run("checkpoint")[0] == 0
    assert run("verify")[0] == 0
    del spools


def test_whoever_has_no_key_of_a_ledger_is_asked_for_it_and_not_told_to_make_one(place, run):
    record(place)
    run("checkpoint")
    shutil.copytree(place / "ledger", place / "copy")
    code, _, err = run("verify", "--ledger", "copy")
    assert (code, "this user has no key of it" in err, "--key" in err) == (2, True, True)
