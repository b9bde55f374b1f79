"""Every gate decides in one place: engines only deny, and what was decided is in the spool before it is acted on."""

from __future__ import annotations

import hashlib
import os

import pytest

import weighlock.engines
from weighlock.artifact import Digest, ModelFile
from weighlock.digest_cache import DigestCache
from weighlock.engines.interface import Answer
from weighlock.entry import Entry
from weighlock.errors import LoadRefused, PolicyError
from weighlock.evidence import LockEntry
from weighlock.evidence_policy import EngineChoice, EvidencePolicy, LedgerPolicy
from weighlock.finding import Inspection, Outcome
from weighlock.gates import hub
from weighlock.gates.code import admit_code
from weighlock.gates.deciding import Decider, open_decider
from weighlock.gates.load import LoadGate
from weighlock.gates.recording import ledger_folder
from weighlock.lockfile import HubSource, LockedFile, LockedModel, Lockfile
from weighlock.policy import Policy
from weighlock.verdict import Decision, Stamp

ARTIFACT = ModelFile(path="a/b:model.safetensors", size=7, digest=Digest.sha256("0" * 64))
CLEAN = Inspection(format="safetensors", outcome=Outcome.DATA_ONLY)
BAD = Inspection(format="torch-zip", outcome=Outcome.REFUSED)
LOCKED = (LockEntry(model="a/b", path="model.safetensors"),)
STAMP = Stamp(engine="fake", policy=f"sha256:{'f' * 64}")


class Fake:
    """An engine that says what it was told to say."""

    name = "fake"

    def __init__(self, *, allow: bool, reasons: tuple[str, ...] = ()):
        self.answer = Answer(allow=allow, stamp=STAMP, reasons=reasons)
        self.asked = []

    def evaluate(self, question):
        self.asked.append(question.document)
        return self.answer

    def close(self):
        pass


def policy(**fields) -> Policy:
    return Policy(evidence=EvidencePolicy(engines=(EngineChoice(rego="policies"),), **fields))


@pytest.fixture
def engine(monkeypatch):
    def use(*engines):
        monkeypatch.setattr(weighlock.engines, "open_engines", lambda _choices, _beside: engines)

    return use


def entries(folder) -> list[Entry]:
    lines = [line for name in sorted(os.listdir(folder)) for line in (folder / name).read_bytes().splitlines()]
    return [Entry.from_bytes(line) for line in lines]


def test_an_engine_adds_a_denial_and_the_verdict_names_who_was_asked(engine):
    engine(Fake(allow=False, reasons=("no licence",)))
    verdict = Decider("load", policy()).decide(ARTIFACT, CLEAN, LOCKED)
    assert verdict.decision is Decision.DENY
    assert [(reason.rule, reason.message) for reason in verdict.reasons] == [("fake", "no licence")]
    assert [stamp.engine for stamp in verdict.engines] == ["builtin", "fake"]


def test_an_engine_cannot_take_back_a_denial_of_the_built_in_policy(engine):
    fake = Fake(allow=True)
    engine(fake)
    verdict = Decider("load", policy()).decide(ARTIFACT, BAD, LOCKED)
    assert verdict.decision is Decision.DENY
    assert not fake.asked


def test_an_engine_that_denies_without_a_reason_denies(engine):
    engine(Fake(allow=True), Fake(allow=False), Fake(allow=True))
    verdict = Decider("load", policy()).decide(ARTIFACT, CLEAN, LOCKED)
    assert verdict.decision is Decision.DENY
    assert len(verdict.engines) == 3  # the last one need not be asked


def test_engines_that_cannot_be_opened_admit_nothing(tmp_path):
    chosen = Policy(evidence=EvidencePolicy(engines=(EngineChoice(opa="http://opa.example"),)))
    gate = LoadGate("enforce", chosen, None, DigestCache({}), decider=Decider("load", chosen, beside=str(tmp_path)))
    (tmp_path / "x").write_bytes(b"")
    with pytest.raises(PolicyError):
        Decider("load", chosen, beside=str(tmp_path)).decide(ARTIFACT, CLEAN, LOCKED)
    with pytest.raises(LoadRefused):
        gate.admit_bytes(b"abc", "x", "torch.load")


def test_the_question_holds_what_a_rule_needs(engine):
    fake = Fake(allow=True)
    engine(fake)
    Decider("load", policy()).decide(ARTIFACT, CLEAN, LOCKED)
    (document,) = fake.asked
    assert document["gate"] == "load"
    assert document["artifact"]["digest"] == f"sha256:{'0' * 64}"
    assert document["evidence"] == [{"kind": "lock-entry", "model": "a/b", "path": "model.safetensors"}]


def test_a_denied_load_is_in_the_spool_before_it_is_refused(tmp_path):
    environ = {"WEIGHLOCK_LEDGER": str(tmp_path)}
    gate = LoadGate("enforce", Policy(), None, DigestCache({}), decider=open_decider("load", Policy(), None, environ))
    with pytest.raises(LoadRefused):
        gate.admit_bytes(b"abc", "x.bin", "torch.load")
    (entry,) = entries(tmp_path / "spool")
    assert (entry.verdict, entry.rules, entry.loader, entry.subject) == (
        "DENY",
        ("not-in-lock",),
        "torch.load",
        "x.bin",
    )
    assert entry.engines == (Policy().stamp,)
    assert entry.enforced


def test_a_denial_that_is_let_through_says_so(tmp_path, capsys):
    environ = {"WEIGHLOCK_LEDGER": str(tmp_path)}
    gate = LoadGate("warn", Policy(), None, DigestCache({}), decider=open_decider("load", Policy(), None, environ))
    gate.admit_bytes(b"abc", "x.bin", "torch.load")
    (entry,) = entries(tmp_path / "spool")
    assert (entry.verdict, entry.enforced) == ("DENY", False)
    assert "would refuse" in capsys.readouterr().err


def test_an_admitted_file_is_recorded_at_each_access(tmp_path):
    environ = {"WEIGHLOCK_LEDGER": str(tmp_path / "ledger")}
    chosen = Policy(unlocked="inspect")
    gate = LoadGate("enforce", chosen, None, DigestCache({}), decider=open_decider("load", chosen, None, environ))
    place = tmp_path / "x.bin"
    place.write_bytes(b"no model at all")
    os.utime(place, (1, 1))
    descriptor = os.open(place, os.O_RDONLY)
    for _ in range(3):
        gate.admit_file(descriptor, "x.bin", "torch.load")
    os.close(descriptor)
    assert [(entry.verdict, entry.size) for entry in entries(tmp_path / "ledger" / "spool")] == [("ALLOW", 15)] * 3


def test_where_the_ledger_is_required_and_cannot_be_written_nothing_is_loaded(tmp_path):
    (tmp_path / "file").write_text("")
    required = Policy(unlocked="inspect", evidence=EvidencePolicy(ledger=LedgerPolicy(required=True)))
    for environ in ({"WEIGHLOCK_LEDGER": str(tmp_path / "file")}, {}):
        decider = open_decider("load", required, None, environ)
        gate = LoadGate("enforce", required, None, DigestCache({}), decider=decider)
        with pytest.raises(LoadRefused, match="the policy requires it"):
            gate.admit_bytes(b"no model at all", "x.bin", "torch.load")


def test_where_it_is_not_required_a_person_is_told_once(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    chosen = Policy(unlocked="inspect")
    decider = open_decider("load", chosen, None, {"WEIGHLOCK_LEDGER": str(tmp_path / "file")})
    gate = LoadGate("enforce", chosen, None, DigestCache({}), decider=decider)
    for _ in range(3):
        gate.admit_bytes(b"no model at all", "x.bin", "torch.load")
    assert capsys.readouterr().err.count("verdicts are not recorded") == 1


@pytest.mark.parametrize(
    ("environ", "place", "expected"),
    [
        ({"WEIGHLOCK_LEDGER": "/there", "HOME": "/home/me"}, "/else", "/there"),
        ({"HOME": "/home/me"}, "/else", "/else"),
        ({"HOME": "/home/me"}, "ledger", "/project/ledger"),
        ({"HOME": "/home/me"}, "postgresql://host/db", "/home/me/.local/state/weighlock/ledgers/999b3974ad549dac"),
        ({"WEIGHLOCK_STATE": "/state"}, None, "/state/ledger"),
        ({}, None, None),
    ],
)
def test_where_the_ledger_lies(environ, place, expected):
    assert ledger_folder(environ, LedgerPolicy(place=place), "/project") == expected


def locked(data: bytes, path: str, *, remote_code: bool = False) -> Lockfile:
    file = LockedFile(path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest())
    source = HubSource(repo="a/b", revision="c" * 40)
    return Lockfile(models=(LockedModel(name="a/b", source=source, remote_code=remote_code, files=(file,)),))


def test_a_download_with_the_locked_bytes_is_recorded_before_it_is_handed_on(tmp_path):
    decider = open_decider("load", Policy(), None, {"WEIGHLOCK_LEDGER": str(tmp_path / "ledger")})
    gate = LoadGate("enforce", Policy(), locked(b"weights", "w.bin"), DigestCache({}), decider=decider)
    found = hub.pin(gate, "model", "a/b", None)
    (tmp_path / "w.bin").write_bytes(b"weights")
    found.verify_path(found.file("w.bin"), tmp_path / "w.bin", arriving=True)
    (tmp_path / "w.bin").write_bytes(b"WEIGHTS")
    with pytest.raises(LoadRefused):
        found.verify_path(found.file("w.bin"), tmp_path / "w.bin", arriving=True)
    admitted, refused = entries(tmp_path / "ledger" / "spool")
    assert (admitted.verdict, admitted.rules, admitted.size) == ("ALLOW", ("locked",), 7)
    assert (refused.verdict, refused.rules) == ("DENY", ("changed",))


def test_code_of_a_model_is_recorded_before_it_is_compiled(tmp_path):
    decider = open_decider("load", Policy(), None, {"WEIGHLOCK_LEDGER": str(tmp_path / "ledger")})
    code = b"print('mine')\n"
    gate = LoadGate("enforce", Policy(), locked(code, "m.py", remote_code=True), DigestCache({}), decider=decider)
    admit_code(gate, code, "/cache/m.py")
    with pytest.raises(LoadRefused):
        admit_code(gate, code + b"#", "/cache/m.py")
    assert [(entry.verdict, entry.rules) for entry in entries(tmp_path / "ledger" / "spool")] == [
        ("ALLOW", ("locked",)),
        ("DENY", ("changed",)),
    ]
