"""What gates ask, of the real engine: a question says all that it has to say, also where little is known."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files

import pytest

from weighlock.artifact import Digest, ModelFile, PackageFile
from weighlock.engines.asking import question_bytes
from weighlock.evidence import Approval, LockEntry, OwnSave
from weighlock.evidence_policy import EngineChoice, EvidencePolicy, LedgerPolicy
from weighlock.finding import Inspection, Outcome
from weighlock.gates.deciding import Decider
from weighlock.gates.packages import JudgedPackage
from weighlock.gates.questions import about_model, about_package
from weighlock.install_policy import Acceptance, IgnoredAdvisory, InstallPolicy
from weighlock.policy import Policy
from weighlock.release import IndexFile, ProjectPage, Release
from weighlock.verdict import Decision, Verdict

LOCKED = LockEntry(model="a/b", path="model.safetensors")
ARTIFACT = ModelFile(path="model.safetensors", size=7, digest=Digest.sha256("0" * 64))
CLEAN = Inspection(format="safetensors", outcome=Outcome.DATA_ONLY)
TODAY = datetime.now(UTC).date()


@pytest.fixture
def decider(tmp_path):
    pytest.importorskip("regopy", reason="regopy is not installed")
    text = (files("weighlock.engines") / "examples" / "model.rego").read_text(encoding="utf-8")
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "model.rego").write_text(text, encoding="utf-8")
    chosen = EngineChoice(rego="policies", timeout=20.0)
    decider = Decider("load", Policy(evidence=EvidencePolicy(engines=(chosen,))), beside=str(tmp_path))
    yield decider
    for engine in decider._engines or ():
        engine.close()


def test_a_denial_of_a_rule_is_in_the_verdict_with_its_engine_and_policy(decider):
    allowed = decider.decide(ARTIFACT, CLEAN, [LOCKED])
    denied = decider.decide(ARTIFACT, Inspection(format="hdf5", outcome=Outcome.DATA_ONLY), [LOCKED])
    assert allowed.allowed
    assert denied.decision is Decision.DENY
    assert denied.reasons[0].rule == "rego"
    assert denied.reasons[0].message == "format was not shown for model.safetensors"
    assert [stamp.engine for stamp in denied.engines] == ["builtin", "rego"]
    assert denied.engines == allowed.engines


def test_a_policy_that_was_removed_denies(decider, tmp_path):
    (tmp_path / "policies" / "model.rego").unlink()
    assert not decider.decide(ARTIFACT, CLEAN, [LOCKED]).allowed


@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_question_about_a_model_of_which_little_is_known_says_what_it_has_to_say(outcome):
    inspection = Inspection(format=None, outcome=outcome)
    evidence = [LOCKED, Approval(imports=frozenset({"a.B"})), OwnSave()]
    asked = about_model("load", Policy(), ModelFile(path="x", size=0), inspection, evidence)
    assert question_bytes(asked.document)


def test_a_question_about_a_package_of_which_little_is_known_says_what_it_has_to_say():
    file = PackageFile(name="a", version="1", filename="a-1.tar.gz")
    judged = JudgedPackage(release=Release(artifact=file), findings=(), verdict=Verdict(decision=Decision.ALLOW))
    about = about_package("install", Policy(), judged).document
    assert question_bytes(about)
    assert [about["artifact"][key] for key in ("digest", "license", "uploaded", "age_seconds")] == [None] * 4


def test_ages_and_expiry_are_computed_for_the_rules():
    file = PackageFile(name="a", version="1", filename="a-1-py3-none-any.whl")
    uploaded = datetime.now(UTC) - timedelta(days=2)
    listed = IndexFile(filename=file.filename, url="https://index.example/a", uploaded=uploaded)
    page = ProjectPage(index="https://index.example/simple", name="a", files=(listed,))
    release = Release(artifact=file, served_by=page, metadata={"license_expression": "MIT"})
    install = InstallPolicy(
        accept=(Acceptance(package="a", check="native-code", reason="r", expires=TODAY - timedelta(days=2)),),
        ignore_advisories=(IgnoredAdvisory(id="PYSEC-1", reason="r", expires=date(9999, 1, 1)),),
    )
    judged = JudgedPackage(release=release, findings=(), verdict=Verdict(decision=Decision.ALLOW))
    document = about_package("install", Policy(install=install), judged).document
    assert 2 * 86400 <= document["artifact"]["age_seconds"] < 3 * 86400
    assert document["artifact"]["uploaded"].endswith("Z")
    assert [waiver["expired"] for waiver in document["waivers"]] == [True, False]
    assert document["waivers"][0]["days_left"] < 0
    assert document["waivers"][1]["advisory"] == "PYSEC-1"


def test_an_engine_does_not_learn_the_password_of_the_ledger():
    place = "postgresql://me:secret@host/db?sslmode=require"
    policy = Policy(evidence=EvidencePolicy(ledger=LedgerPolicy(place=place)))
    document = about_model("load", policy, ARTIFACT, CLEAN, ()).document
    assert document["policy"]["evidence"]["ledger"]["place"] == "postgresql://host/db"
    assert "secret" not in json.dumps(document)
