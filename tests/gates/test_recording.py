"""What commands decide and write is sealed in the ledger when they end, with the digests of what they wrote."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import struct
import time

import pytest

from tests.sealed import entries
from weighlock._cli import main
from weighlock.entry import Entry
from weighlock.gates.load import open_gate


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEIGHLOCK_LEDGER", str(tmp_path / "ledger"))
    monkeypatch.setenv("WEIGHLOCK_ROOT", str(tmp_path))
    monkeypatch.setenv("WEIGHLOCK_STATE", str(tmp_path / "state"))
    (tmp_path / "weights").mkdir()
    header = json.dumps({"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}).encode()
    (tmp_path / "weights" / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"\0")
    return tmp_path


def test_lock_records_every_file_and_the_lockfile(project, capsys):
    assert main(["lock", "./weights"]) == 0
    file, document = entries("lock")
    model = (project / "weights" / "model.safetensors").read_bytes()
    assert (file.subject, file.verdict, file.rules) == ("./weights:model.safetensors", "ALLOW", ("locked",))
    assert file.digest.value == hashlib.sha256(model).hexdigest()
    assert (document.kind, document.subject) == ("document", str(project / "models.lock"))
    assert document.digest.value == hashlib.sha256((project / "models.lock").read_bytes()).hexdigest()


def test_verify_records_what_it_found(project, capsys):
    assert main(["lock", "./weights"]) == 0
    assert main(["verify"]) == 0
    (project / "weights" / "model.safetensors").write_bytes(b"changed")
    assert main(["verify"]) == 1
    found = [(entry.verdict, entry.rules, entry.enforced) for entry in entries("verify")]
    assert found == [("ALLOW", ("good",), False), ("DENY", ("changed",), False)]


def test_sync_records_what_is_there(project, capsys):
    assert main(["lock", "./weights"]) == 0
    assert main(["sync"]) == 0
    (entry,) = entries("sync")
    assert (entry.subject, entry.verdict) == ("./weights:model.safetensors", "ALLOW")


def test_scan_records_denials_and_not_where_a_strangers_policy_says(project, capsys):
    class Gadget:
        def __reduce__(self):
            return (print, ("ran",))

    (project / "evil.pkl").write_bytes(pickle.dumps(Gadget()))
    (project / "weighlock.toml").write_text(f'[evidence.ledger]\nplace = "{project / "elsewhere"}"\n')
    assert main(["scan", "evil.pkl"]) == 1
    (entry,) = entries("scan")
    assert (entry.verdict, entry.rules) == ("DENY", ("refused",))
    assert not (project / "elsewhere").exists()


def test_an_approval_is_recorded_with_its_digest(project, capsys):
    (project / "needs.pkl").write_bytes(b"\x80\x02cfleet\nBarge\n)\x81.")
    assert main(["approve", "needs.pkl", "--yes"]) == 0
    approval, document = entries("approve")
    assert (approval.rules, approval.subject) == (("approved",), "needs.pkl")
    assert approval.digest.value == hashlib.sha256((project / "needs.pkl").read_bytes()).hexdigest()
    assert document.digest.value == hashlib.sha256((project / "models.lock").read_bytes()).hexdigest()


def test_a_ledger_that_is_required_and_cannot_be_written_stops_lock_before_it_writes(project, capsys):
    (project / "ledger").write_text("in the way")
    (project / "weighlock.toml").write_text("[evidence.ledger]\nrequired = true\n")
    assert main(["lock", "./weights"]) == 2
    assert "the policy requires it" in capsys.readouterr().err
    assert not (project / "models.lock").exists()


def test_a_ledger_that_was_rolled_back_is_said_and_stops_what_requires_it(project, capsys):
    assert main(["scan", "weights"]) == 0
    kept = project / "kept"
    shutil.copytree(project / "ledger", kept)
    assert main(["scan", "weights"]) == 0
    shutil.rmtree(project / "ledger")
    kept.rename(project / "ledger")
    assert main(["scan", "weights"]) == 0
    assert "recorded and not sealed" in capsys.readouterr().err
    (project / "weighlock.toml").write_text("[evidence.ledger]\nrequired = true\n")
    assert main(["lock", "./weights"]) == 2


def test_a_ledger_that_is_required_and_cannot_be_written_stops_an_approval_before_it_is_written(project, capsys):
    (project / "ledger").write_text("in the way")
    (project / "weighlock.toml").write_text("[evidence.ledger]\nrequired = true\n")
    (project / "needs.pkl").write_bytes(b"\x80\x02cfleet\nBarge\n)\x81.")
    assert main(["approve", "needs.pkl", "--yes"]) == 2
    assert "the policy requires it" in capsys.readouterr().err
    assert not (project / "models.lock").exists()


def test_sync_records_what_the_lockfile_itself_refuses(project, capsys):
    (project / "weights" / "model.safetensors").unlink()
    (project / "weights" / "data.pkl").write_bytes(pickle.dumps([1]))
    assert main(["lock", "./weights"]) == 0
    lock = project / "models.lock"
    lock.write_text(lock.read_text().replace('"data-only"', '"refused"'))
    assert main(["sync"]) == 1
    (entry,) = entries("sync")
    assert (entry.subject, entry.verdict, entry.rules) == ("./weights:data.pkl", "DENY", ("refused",))


def test_each_load_that_a_gate_which_only_warns_lets_through_is_recorded_with_its_digest(project, monkeypatch, capsys):
    place = project / "weights" / "model.safetensors"
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 3_600_000_000_000)  # what is old is judged once
    gate = open_gate({**os.environ, "WEIGHLOCK_MODE": "warn"})
    with place.open("rb") as file:
        for _ in range(3):
            assert gate.admit_file(file.fileno(), "f", "a test").anything
    gate.close()
    digest = hashlib.sha256(place.read_bytes()).hexdigest()
    lines = [
        line for spool in (project / "ledger" / "spool").glob("*.jsonl") for line in spool.read_bytes().splitlines()
    ]
    found = [Entry.from_bytes(line) for line in lines]
    assert [(one.verdict, one.enforced, one.digest.value) for one in found] == [("DENY", False, digest)] * 3
