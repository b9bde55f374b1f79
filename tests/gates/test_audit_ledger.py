"""The proof of the ledger's entry: it is of these bytes, it verifies elsewhere, and nothing forged passes."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.gates.conftest import safetensors
from weighlock._cli import main
from weighlock.audit.item import Status
from weighlock.audit.verdict import Audit
from weighlock.entry import Entry
from weighlock.gates.audit import Request, audit
from weighlock.gates.places import Places
from weighlock.gates.project import find_project
from weighlock.ledger.keys import key_of
from weighlock.ledger.store import FileLedger
from weighlock.ledger.verifier import leaf_hash, verify_checkpoint, verify_inclusion
from weighlock.sources.interface import Silence

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


class Room:
    """A project with a locked model and a ledger."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = folder / "ledger"
        self.environ = {
            "WEIGHLOCK_ROOT": str(folder),
            "WEIGHLOCK_STATE": str(folder / "state"),
            "WEIGHLOCK_LEDGER": str(self.ledger),
        }

    @property
    def store(self) -> FileLedger:
        return FileLedger(str(self.ledger), key_of(str(self.ledger), self.environ))

    def seal(self) -> None:
        """Seal what an audit recorded; every command seals what it did itself."""
        assert main(["ledger", "checkpoint"]) == 0

    def audit(self) -> Audit:
        request = Request(target="./m", environ=self.environ, now=NOW)
        return audit(request, find_project(self.environ), Places(folder=self.folder), Silence())

    def status(self) -> Status:
        return next(one.status for one in self.audit().items if one.question.id == "ledger-entry")


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Room:
    room = Room(tmp_path)
    for name, value in room.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "model.safetensors").write_bytes(safetensors())
    assert main(["lock", "./m"]) == 0
    return room


def test_what_is_not_sealed_is_not_proved(room: Room):
    for folder in (room.ledger, room.folder / "state"):
        shutil.rmtree(folder)
    project = find_project(room.environ)
    project.record_lockfile("lock", project.read(required=True))
    assert room.status() is Status.NOT_ASSESSED
    assert "nothing was sealed" in (room.audit().facts.ledger_problem or "")


def test_the_proof_verifies_elsewhere(room: Room):
    room.seal()
    assert room.status() is Status.PASS
    facts = room.audit().facts
    proof = facts.ledger
    assert proof is not None
    [data] = room.store.read(proof.index, proof.index + 1)
    assert str(Entry.from_bytes(data).digest) == facts.lock
    checkpoint = verify_checkpoint(proof.checkpoint.encode(), room.store.key.read().public)
    hashes = [bytes.fromhex(one) for one in proof.hashes]
    verify_inclusion(leaf_hash(data), proof.index, checkpoint.size, hashes, checkpoint.root)
    assert (proof.size, proof.root) == (checkpoint.size, checkpoint.root.hex())


def test_an_earlier_audit_answers_no_later_one(room: Room):
    room.seal()
    assert room.audit().verdict.decision == "DENY"
    room.seal()
    assert room.status() is Status.PASS


def test_a_lockfile_that_was_changed_by_hand_is_not_in_the_ledger(room: Room):
    room.seal()
    lock = room.folder / "models.lock"
    lock.write_text(lock.read_text("utf-8").replace('name = "./m"', 'name = "./m"\nlicense = "mit"'), "utf-8")
    assert room.status() is Status.NOT_ASSESSED


def test_entries_that_were_exchanged_fail(room: Room):
    room.seal()
    lock = (room.audit().facts.lock or "").encode()
    changed = 0
    for path in (room.ledger / "tile").rglob("*"):
        if path.is_file() and lock in path.read_bytes():
            path.chmod(0o644)
            path.write_bytes(path.read_bytes().replace(b'"verdict":"ALLOW"', b'"verdict":"DENY" '))
            changed += 1
    assert changed
    assert room.status() is Status.FAIL


def test_a_checkpoint_of_somebody_else_fails(room: Room, tmp_path: Path):
    room.seal()
    other = FileLedger(str(tmp_path / "other"), key_of(str(tmp_path / "other"), room.environ))
    other.append(list(room.store.read(0, room.store.size())))
    (room.ledger / "checkpoint").write_bytes(other.checkpoint())
    assert room.status() is Status.FAIL


@pytest.mark.parametrize("note", [b"", b"x", b"\xff" * 100, b"a\n99999999999999999999\nb\n\n\xe2\x80\x94 a b\n"])
def test_a_broken_checkpoint_does_not_pass(room: Room, note: bytes):
    room.seal()
    (room.ledger / "checkpoint").write_bytes(note)
    assert room.status() in {Status.FAIL, Status.NOT_ASSESSED}


def test_a_ledger_without_its_key_proves_nothing(room: Room):
    room.seal()
    os.unlink(room.store.key.path)
    assert room.status() is Status.NOT_ASSESSED
