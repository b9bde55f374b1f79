"""Quarantine at the load gate: what was admitted, remembered, saved, locked twice or served instead is refused."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import struct
import time
from dataclasses import replace

import pytest

from tests.quarantines import denial, listed, release, signed
from weighlock.digest_cache import DigestCache
from weighlock.entry import Entry
from weighlock.errors import LoadRefused
from weighlock.gates.code import admit_code
from weighlock.gates.deciding import open_decider
from weighlock.gates.lazy import open_lazily
from weighlock.gates.load import LoadGate
from weighlock.gates.load_quarantine import LoadQuarantine
from weighlock.gates.quarantined import open_quarantine
from weighlock.gates.signed_lockfile import trust_of
from weighlock.lockfile import Chunks, HubSource, LockedFile, LockedModel, Lockfile, PathSource
from weighlock.own_saves import OwnSaves
from weighlock.policy import Policy
from weighlock.signing.key import generate

DATA = b"x" * 1000
CI = generate()


def _sha(data=DATA) -> str:
    return hashlib.sha256(data).hexdigest()


def _digest(data=DATA) -> str:
    return f"sha256:{_sha(data)}"


class Bench:
    """A gate, and a list that grows."""

    def __init__(self, folder):
        self.folder = folder
        self.events = []
        self.environ = {"WEIGHLOCK_STATE": str(folder / "state"), "WEIGHLOCK_LEDGER": str(folder / "ledger")}
        (folder / "ci.pub").write_bytes(CI.public.pem)
        self.publish()

    def publish(self, *events):
        self.events += events
        fresh = self.folder / "list.new"
        fresh.write_bytes(signed(listed(*self.events), CI))
        os.replace(fresh, self.folder / "list.json")

    def deny(self, data=DATA, **words):
        self.publish(denial(len(self.events) + 1, **{"digests": (_digest(data),), **words}))

    def gate(self, *files, mode="enforce", model=None, saves=None, signed_by=(), evidence=None, **policy):
        models = (model,) if model else (LockedModel(name="net", source=PathSource(path="net"), files=files),)
        evidence = {"signers": [{"name": "ci", "key": "ci.pub"}], **(evidence or {})}
        chosen = Policy.from_dict({"evidence": evidence, "quarantine": {"lists": ["list.json"]}, **policy})
        place = str(self.folder / "weighlock.toml")
        quarantine = LoadQuarantine(
            open_quarantine(self.environ, chosen, place), signed_by, lambda: trust_of(chosen.evidence, place)
        )
        decider = open_decider("load", chosen, place, self.environ, quarantined=False)
        lockfile = Lockfile(models=models)
        return LoadGate(mode, chosen, lockfile, DigestCache({}), saves, decider=decider, quarantine=quarantine)

    def open(self, data=DATA, name="model.bin") -> int:
        path = self.folder / name
        if not path.exists():
            path.write_bytes(data)
            os.utime(path, (1, 1))
        return os.open(path, os.O_RDONLY)

    @property
    def recorded(self):
        entries = []
        for path in sorted((self.folder / "ledger" / "spool").glob("*.jsonl")):
            entries += [Entry.from_bytes(line) for line in path.read_bytes().splitlines() if line]
        return entries


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


@pytest.fixture
def old(monkeypatch):
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 10**10)


def locked(data=DATA, path="model.bin", **facts) -> LockedFile:
    return LockedFile(path=path, size=len(data), sha256=_sha(data), **facts)


def refusal(act) -> str:
    with pytest.raises(LoadRefused) as caught:
        act()
    return str(caught.value)


def test_what_was_admitted_and_remembered_is_refused_at_the_next_load(bench, old):
    gate, file = bench.gate(locked()), bench.open()
    gate.admit_file(file, "f", "a test")
    assert gate._admitted
    bench.deny()
    said = refusal(lambda: gate.admit_file(file, "f", "a test"))
    assert "rule: quarantined" in said
    assert "it opens a shell" in said
    assert "--release Q1" in said
    bench.publish(release("Q1", 9))
    gate.admit_file(file, "f", "a test")


def test_each_refusal_and_each_access_is_recorded_once_with_the_list_as_evidence(bench, old):
    gate, file = bench.gate(locked()), bench.open()
    gate.admit_file(file, "f", "a test")
    bench.deny()
    refusal(lambda: gate.admit_file(file, "f", "a test"))
    refusal(lambda: gate.admit_bytes(DATA, "memory", "a test"))
    entries = bench.recorded
    assert [str(entry.verdict) for entry in entries] == ["ALLOW", "DENY", "DENY"]
    assert all(entry.rules == ("quarantined",) and entry.enforced for entry in entries[1:])
    assert all(str(entry.digest) == _digest() for entry in entries)
    known = hashlib.sha256((bench.folder / "list.json").read_bytes()).hexdigest()
    assert f"sha256:{known}" in entries[1].evidence


def test_in_warn_mode_a_denied_load_is_recorded_said_and_let_through(bench, old, capsys):
    gate, file = bench.gate(locked(), mode="warn"), bench.open()
    bench.deny()
    for _ in range(2):
        gate.admit_file(file, "f", "a test")
    assert [(str(one.verdict), one.enforced) for one in bench.recorded] == [("DENY", False)] * 2
    assert capsys.readouterr().err.count("in quarantine") == 1


def test_a_guard_that_is_off_asks_nobody(bench):
    gate = bench.gate(locked(), mode="off")
    bench.deny()
    gate.admit_file(bench.open(), "f", "a test")
    assert not bench.recorded


def test_bytes_in_memory_are_refused(bench):
    gate = bench.gate(locked())
    gate.admit_bytes(DATA, "memory", "a test")
    bench.deny()
    refusal(lambda: gate.admit_bytes(DATA, "memory", "a test"))


def test_a_copy_under_another_name_and_a_load_from_an_offset_are_refused(bench):
    gate = bench.gate(locked())
    bench.deny()
    refusal(lambda: gate.admit_file(bench.open(name="other.bin"), "other", "a test"))
    refusal(lambda: gate.admit_file(bench.open(name="other.bin"), "other", "a test", 100))
    refusal(lambda: gate.admit_file(bench.open(b"junk" + DATA, "padded.bin"), "padded", "a test", 4))


def test_a_locked_model_in_quarantine_is_refused_with_all_its_files(bench):
    source = HubSource(repo="Org/Net", revision="a" * 40)
    model = LockedModel(name="net", source=source, files=(locked(), locked(b"y" * 999, "other.bin")))
    gate = bench.gate(model=model)
    bench.publish(denial(digests=(), models=("org/net",)))
    refusal(lambda: gate.admit_file(bench.open(), "f", "a test"))
    refusal(lambda: gate.admit_bytes(b"y" * 999, "memory", "a test"))


def test_an_unlocked_file_is_hashed_where_a_list_denies_anything(bench, old):
    data = pickle.dumps({"weights": [1, 2]})
    gate, file = bench.gate(unlocked="inspect"), bench.open(data)
    gate.admit_file(file, "f", "a test")
    assert not gate._hashed
    bench.deny(data)
    refusal(lambda: gate.admit_file(file, "f", "a test"))
    refusal(lambda: gate.admit_bytes(data, "memory", "a test"))
    padded = bench.open(b"junk" + data, "padded.bin")
    refusal(lambda: gate.admit_file(padded, "padded", "a test", 4))


def test_what_this_project_saved_is_refused(bench):
    saves = OwnSaves(bench.environ, "project")
    data = pickle.dumps({"weights": [1, 2]})
    saves.add(len(data), _sha(data))
    gate, file = bench.gate(saves=saves), bench.open(data)
    gate.admit_file(file, "f", "a test")
    bench.deny(data)
    refusal(lambda: gate.admit_file(file, "f", "a test"))


def test_code_of_a_model_is_refused_by_its_digest_and_by_its_model(bench):
    code = b"x = 1\n"
    model = LockedModel(
        name="net", source=PathSource(path="net"), remote_code=True, files=(locked(code, "modeling.py"),)
    )
    gate = bench.gate(model=model)
    admit_code(gate, code, "/m/modeling.py")
    bench.deny(code)
    refusal(lambda: admit_code(gate, code, "/m/modeling.py"))
    bench.publish(release("Q1", 9), denial(3, digests=(), models=("net",)))
    refusal(lambda: admit_code(gate, code, "/m/modeling.py"))


def test_a_file_that_is_opened_lazily_is_refused(bench):
    header = json.dumps({"w": {"dtype": "U8", "shape": [64], "data_offsets": [0, 64]}}).encode()
    data = struct.pack("<Q", len(header)) + header + bytes(64)
    parts = tuple(_sha(data[start : start + 64]) for start in range(0, len(data), 64))
    file = locked(data, "w.safetensors", format="safetensors", chunks=Chunks(size=64, sha256=parts))
    gate = bench.gate(file, verify="lazy")
    opened = bench.open(data)
    open_lazily(gate, opened, "f", "a test").close()
    bench.deny(data)
    assert open_lazily(gate, opened, "f", "a test") is None  # it is judged as a whole
    refusal(lambda: gate.admit_file(opened, "f", "a test"))
    gate.lockfile = replace(gate.lockfile, signed_by=("ci",))
    refusal(lambda: open_lazily(gate, opened, "f", "a test"))


def test_a_lockfile_whose_signer_is_in_quarantine_admits_nothing(bench):
    gate = bench.gate(locked(), signed_by=("ci",), evidence={"require-signature": True})
    gate.admit_bytes(DATA, "memory", "a test")
    bench.publish(denial(digests=(), signers=("CI",)))
    assert "signed by 0 of the 1" in refusal(lambda: gate.admit_bytes(DATA, "memory", "a test"))


def test_a_signer_is_known_by_the_key_under_another_name(bench):
    gate = bench.gate(locked(), signed_by=("ci",), evidence={"require-signature": True})
    bench.publish(denial(digests=(), signers=(f"key {CI.public.digest}",)))
    refusal(lambda: gate.admit_bytes(DATA, "memory", "a test"))


def test_a_second_name_of_a_denied_signers_key_is_denied_too(bench):
    both = [{"name": "ci", "key": "ci.pub"}, {"name": "robot", "key": "ci.pub"}]
    gate = bench.gate(locked(), signed_by=("robot",), evidence={"require-signature": True, "signers": both})
    bench.publish(denial(digests=(), signers=("ci",)))
    refusal(lambda: gate.admit_bytes(DATA, "memory", "a test"))


def test_enough_signers_that_are_left_still_count(bench):
    other = generate()
    (bench.folder / "ann.pub").write_bytes(other.public.pem)
    both = [{"name": "ci", "key": "ci.pub"}, {"name": "ann", "key": "ann.pub"}]
    gate = bench.gate(locked(), signed_by=("ci", "ann"), evidence={"require-signature": True, "signers": both})
    bench.publish(denial(digests=(), signers=("ann",)))
    gate.admit_bytes(DATA, "memory", "a test")


def test_where_a_list_is_gone_nothing_is_loaded(bench):
    gate = bench.gate(locked())
    gate.admit_bytes(DATA, "memory", "a test")
    (bench.folder / "list.json").unlink()
    assert "rule: quarantine-list" in refusal(lambda: gate.admit_bytes(DATA, "memory", "a test"))


def test_a_load_asks_a_list_in_no_time(bench, old):
    gate, file = bench.gate(locked()), bench.open()
    gate.admit_file(file, "f", "a test")
    bench.deny(b"other")
    gate.admit_file(file, "f", "a test")
    begun = time.perf_counter()
    for _ in range(500):
        gate.passes_quarantine("f", "a test", lambda: ("a" * 64,))
    assert (time.perf_counter() - begun) / 500 < 0.001


def test_whatever_goes_wrong_with_the_lists_refuses(bench, monkeypatch):
    gate = bench.gate(locked())
    monkeypatch.setattr(gate._quarantine._quarantine, "look", lambda: 1 / 0)
    assert "ZeroDivisionError" in refusal(lambda: gate.admit_bytes(DATA, "memory", "a test"))


def chunked(data=DATA, *, sha256, **facts) -> LockedFile:
    parts = tuple(_sha(data[start : start + 400]) for start in range(0, len(data), 400))
    return LockedFile(path="model.bin", size=len(data), sha256=sha256, chunks=Chunks(size=400, sha256=parts), **facts)


def test_a_lockfile_that_gives_a_denied_file_another_digest_beside_its_parts(bench, old):
    forged = chunked(sha256="0" * 64)
    gate, file = bench.gate(forged), bench.open()
    gate.admit_file(file, "f", "a test")
    assert gate.holds(file, forged)
    bench.deny()
    assert "rule: quarantined" in refusal(lambda: gate.admit_file(file, "f", "a test"))
    assert "rule: quarantined" in refusal(lambda: bench.gate(forged).admit_file(file, "f", "a test"))
    assert not gate.holds(file, forged)
