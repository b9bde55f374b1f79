"""An audit counts signatures of the policy's signers over these very bytes, and no others."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.gates.conftest import safetensors
from tests.signing.signed_models import Key, sign_bytes
from weighlock._cli import main
from weighlock.audit.item import Status
from weighlock.audit.verdict import Audit
from weighlock.gates.audit import Request, audit
from weighlock.gates.places import Places
from weighlock.gates.project import find_project
from weighlock.lockfile import LockedModel
from weighlock.signing import oms
from weighlock.signing.lockfile_statement import statement_of
from weighlock.sources.interface import Silence

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


class Room:
    """A project with a locked model and three keys, of which the policy names one or two."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {"WEIGHLOCK_ROOT": str(folder), "WEIGHLOCK_STATE": str(folder / "state")}
        (folder / "m").mkdir()
        (folder / "m" / "model.safetensors").write_bytes(safetensors())
        (folder / "m" / "config.json").write_text("{}", "utf-8")
        self.keys = {name: Key.make(folder, name) for name in ("alice", "bob", "mallory")}
        self.policy("alice")

    def policy(self, *signers: str, threshold: int = 1, required: bool = False) -> None:
        rows = "".join(f'[[evidence.signers]]\nname = "{name}"\nkey = "{name}.pub"\n' for name in signers)
        required_line = "require-signature = true\n" if required else ""
        text = f"[evidence]\n{required_line}threshold = {threshold}\n{rows}"
        (self.folder / "weighlock.toml").write_text(text, "utf-8")

    @property
    def model(self) -> LockedModel:
        return self.project.unsafe_read().models[0]

    @property
    def project(self):
        return find_project(self.environ)

    def sign_lock(self, who: str, name: str | None = None) -> None:
        lock = self.folder / "models.lock"
        payload = statement_of(lock.read_bytes(), self.project.unsafe_read()).to_bytes()
        place = self.folder / f"models.lock{f'.{name}' if name else ''}.sigstore.json"
        sign_bytes(payload, place, self.keys[who])

    def sign_model(self, who: str, model: LockedModel | None = None) -> None:
        payload = oms.statement_of(model or self.model).to_bytes()
        sign_bytes(payload, self.folder / "m.oms.sigstore.json", self.keys[who])

    def audit(self) -> Audit:
        request = Request(target="./m", environ=self.environ, now=NOW)
        return audit(request, self.project, Places(folder=self.folder), Silence())

    def status(self, item: str = "signature") -> Status:
        return next(one.status for one in self.audit().items if one.question.id == item)


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Room:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEIGHLOCK_STATE", str(tmp_path / "state"))
    room = Room(tmp_path)
    assert main(["lock", "./m"]) == 0
    return room


def test_a_signed_lockfile_counts_for_the_models_in_it(room: Room):
    room.sign_lock("alice")
    assert room.status() is Status.PASS
    assert "alice, key sha256:" in room.audit().facts.signatures[0].signer


def test_a_signed_model_counts(room: Room):
    room.sign_model("alice")
    assert room.status() is Status.PASS


def test_nobody_signed(room: Room):
    assert room.status() is Status.NOT_ASSESSED


def test_a_stranger_signed(room: Room):
    room.sign_lock("mallory")
    assert room.status() is Status.FAIL


def test_another_lockfile_was_signed(room: Room):
    room.sign_lock("alice")
    lock = room.folder / "models.lock"
    lock.write_text(lock.read_text("utf-8").replace('name = "./m"', 'name = "./m"\nlicense = "mit"'), "utf-8")
    assert room.status() is Status.FAIL


def test_another_model_was_signed_under_this_name(room: Room):
    from dataclasses import replace

    first, second = room.model.files
    other = replace(room.model, files=(first, replace(second, sha256="0" * 64)))
    room.sign_model("alice", other)
    assert room.status() is Status.FAIL


def test_a_file_that_is_locked_was_not_signed(room: Room):
    from dataclasses import replace

    room.sign_model("alice", replace(room.model, files=room.model.files[:1]))
    assert room.status() is Status.FAIL


def test_the_same_bytes_were_signed_under_another_name(room: Room):
    from dataclasses import replace

    room.sign_model("alice", replace(room.model, name="org/other"))
    assert room.status() is Status.FAIL


def test_one_of_two_signed_and_one_of_them_twice(room: Room):
    room.policy("alice", "bob", threshold=2)
    room.sign_lock("alice")
    room.sign_lock("alice", "bob")
    room.sign_model("alice")
    assert room.status() is Status.FAIL
    room.sign_lock("bob", "bob")
    assert room.status() is Status.PASS


def test_junk_beside_a_good_signature_is_told_and_takes_nothing_away(room: Room):
    room.sign_lock("alice")
    (room.folder / "m.oms.sigstore.json").write_text("{", "utf-8")
    assert room.status() is Status.PASS
    assert "does not count" in next(one.text for one in room.audit().items if one.question.id == "signature")


@pytest.mark.parametrize("junk", ["", "{", "[]", "\x00" * 100, "[" * 100_000])
def test_junk_is_no_signature(room: Room, junk: str):
    (room.folder / "models.lock.sigstore.json").write_text(junk, "utf-8")
    assert room.status() is Status.FAIL


def test_a_policy_without_its_key_decides_nothing(room: Room):
    room.sign_lock("alice")
    (room.folder / "alice.pub").unlink()
    assert room.status() is Status.NOT_ASSESSED


def test_a_lockfile_that_has_to_be_signed_and_is_not_cannot_be_waived(room: Room):
    room.policy("alice", required=True)
    assert room.status("policy-admits") is Status.FAIL
    room.sign_lock("mallory")
    assert room.status("policy-admits") is Status.FAIL
    room.sign_lock("alice")
    assert room.status("policy-admits") is Status.PASS
