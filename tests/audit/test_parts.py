"""Every question that a machine answers: what passes it, what fails it, and what it cannot say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.audit.samples import DIGEST, PROOF, facts, file, finding, plain
from weighlock.audit.facts import BomFacts, CardFacts, PackageFacts, Packages, SignatureFacts
from weighlock.audit.item import Part, Status
from weighlock.audit.parts import BY_ID, QUESTIONS
from weighlock.audit.standards import TITLES
from weighlock.finding import Outcome, Severity
from weighlock.lockfile import PathSource, UrlSource

AUTO = [question.id for question in QUESTIONS if question.assess is not None]

BAD_PACKAGES = Packages(
    inputs=("requirements.txt",),
    packages=(PackageFacts(name="evil", version="1", denied=("malware-report: it is",), advisories=("MAL-1",)),),
    advisories="2026-11-24",
)
REMOTE = finding("remote-code", severity=Severity.MEDIUM, message="it refers to code beside it")

FAILS = {
    "pinned": [facts(source=None, files=(file(locked=False),)), facts(files=())],
    "disk-equals-lock": [
        facts(files=(file(disk="changed", mismatch="has other bytes"),)),
        facts(files=(file(), plain("extra.py", locked=False, disk="extra"))),
        facts(files=(file(disk="unreadable", inspected=False),)),
        facts(unlisted=("a link leads out",)),
        facts(source=None),
    ],
    "source-known": [facts(source=UrlSource(url="http://example.org/model.pt"))],
    "signature": [
        facts(signatures=(SignatureFacts(place="a", digest=DIGEST, problem="it is about other bytes"),)),
        facts(
            signatures=(
                SignatureFacts(place="a", digest=DIGEST, signer="release key", enough=False),
                SignatureFacts(place="b", digest=DIGEST, problem="forged"),
            )
        ),
        facts(signatures=(SignatureFacts(place="a", digest=DIGEST, signer="release key", enough=False),)),
    ],
    "model-card": [
        facts(card=None),
        facts(card=CardFacts(path="README.md", digest=DIGEST, problem="nested too deeply")),
    ],
    "ledger-entry": [
        facts(ledger=replace(PROOF, verdict="DENY")),
        facts(ledger=None, ledger_problem="fork", ledger_forged=True),
    ],
    "formats-understood": [facts(files=(file(outcome=Outcome.UNVERIFIABLE),))],
    "no-harm": [facts(files=(file(outcome=Outcome.REFUSED),))],
    "imports-approved": [
        facts(files=(file(outcome=Outcome.NEEDS_APPROVAL, needs=("a.B", "c.D"), approved=("a.B",)),)),
        facts(files=(file(outcome=Outcome.NEEDS_APPROVAL),)),
    ],
    "nothing-accepted-unseen": [facts(files=(file(unsafe=True),))],
    "without-unpickling": [
        facts(files=(file("pytorch_model.bin", format="torch-zip"),)),
        facts(files=(file("x.bin", format="a-format-of-tomorrow"),)),
        facts(files=(file("array.npy", format="npy", needs=("a.B",), approved=("a.B",)),)),
    ],
    "no-code": [
        facts(remote_code=True),
        facts(files=(file(), plain("modeling.py", locked=False))),
        facts(files=(file(), plain("MODELING.PY", locked=False, disk="extra"))),
        facts(files=(file(findings=(REMOTE,)),)),
    ],
    "chat-template": [facts(files=(file(format="gguf", findings=(finding("chat-template"),)),))],
    "archives": [facts(files=(file(findings=(finding("archive-anomalies"),)),))],
    "policy-admits": [
        facts(refused=("it is not signed",)),
        facts(files=(file(denied=("needs-approval: it imports a.B",)),)),
    ],
    "packages-admitted": [
        facts(packages=BAD_PACKAGES),
        facts(packages=replace(BAD_PACKAGES, packages=(), denied=("x.pth",))),
    ],
    "no-advisories": [facts(packages=BAD_PACKAGES)],
    "base-models": [facts(relatives=(replace(facts().relatives[0], locked=False),))],
    "bill-of-materials": [
        facts(bom=BomFacts(place="b", digest=DIGEST, missing=("model.safetensors",))),
        facts(bom=BomFacts(place="b", digest=DIGEST, problem="it is no CycloneDX document")),
    ],
    "licence-stated": [facts(license="mit")],
    "licence-allowed": [facts(licenses=("mit",)), facts(license="gpl-3.0-only", card=None)],
}
UNKNOWN = {
    "disk-equals-lock": [facts(files=(file(disk="missing", inspected=False),)), facts(files=())],
    "source-known": [facts(source=PathSource(path="./m")), facts(source=None)],
    "signature": [
        facts(signatures=(SignatureFacts(place="a", digest=DIGEST, problem="needs an extra", undecided=True),)),
        facts(signatures=()),
        facts(signatures=(SignatureFacts(place="a", digest=DIGEST),)),
    ],
    "ledger-entry": [facts(ledger=None)],
    "formats-understood": [facts(files=(file(inspected=False),)), facts(files=())],
    "no-harm": [facts(files=(file(inspected=False),)), facts(files=())],
    "imports-approved": [facts(files=(file(inspected=False),)), facts(files=())],
    "nothing-accepted-unseen": [facts(files=())],
    "without-unpickling": [facts(files=(file(inspected=False),)), facts(files=())],
    "no-code": [facts(files=(file(inspected=False),)), facts(files=())],
    "chat-template": [facts(files=(file(inspected=False),)), facts(files=())],
    "archives": [facts(files=(file(inspected=False),)), facts(files=())],
    "policy-admits": [facts(files=(file(inspected=False),)), facts(files=())],
    "packages-admitted": [facts(packages=None), facts(packages=replace(BAD_PACKAGES, packages=()))],
    "no-advisories": [
        facts(packages=None),
        facts(packages=replace(BAD_PACKAGES, packages=())),
        facts(packages=replace(BAD_PACKAGES, packages=(PackageFacts(name="a", version="1"),), advisories=None)),
    ],
    "base-models": [facts(relatives=())],
    "datasets-named": [facts(relatives=())],
    "datasets-locked": [facts(relatives=()), facts(relatives=(replace(facts().relatives[1], locked=False),))],
    "bill-of-materials": [facts(bom=None), facts(source=None, files=(file(locked=False),))],
    "licence-stated": [
        facts(license=None, card=None),
        facts(license="other", card=None),
        facts(license="<script>alert(1)</script>", card=None),
        facts(license="mit" * 100, card=None),
        facts(license=" ", card=None),
    ],
    "licence-allowed": [facts(licenses=()), facts(license="other", card=None), facts(license="a b c (", card=None)],
    "licence-text": [facts(files=(file(),))],
}


def _status(item: str, about) -> Status:
    assess = BY_ID[item].assess
    assert assess is not None
    return assess(about).status


@pytest.mark.parametrize("item", AUTO)
def test_an_honest_model_passes(item: str):
    assert _status(item, facts()) is Status.PASS


@pytest.mark.parametrize(("item", "about"), [(item, one) for item, cases in FAILS.items() for one in cases])
def test_what_is_wrong_fails(item: str, about):
    assert _status(item, about) is Status.FAIL


@pytest.mark.parametrize(("item", "about"), [(item, one) for item, cases in UNKNOWN.items() for one in cases])
def test_what_is_not_known_does_not_pass(item: str, about):
    assert _status(item, about) is Status.NOT_ASSESSED


def test_every_question_of_the_machine_is_tried_with_what_does_not_pass_it():
    assert FAILS.keys() | UNKNOWN.keys() == set(AUTO)


def test_locked_code_that_nothing_asks_for_and_nothing_may_run_is_no_alarm():
    assert _status("no-code", facts(files=(file(), plain("convert.py")))) is Status.PASS


def test_a_remark_about_a_template_is_no_alarm():
    slow = finding("chat-template", severity=Severity.LOW, message="its chat template may take long")
    assert _status("chat-template", facts(files=(file(format="gguf", findings=(slow,)),))) is Status.PASS
    broken = replace(slow, outcome=Outcome.UNVERIFIABLE)
    assert _status("chat-template", facts(files=(file(format="gguf", findings=(broken,)),))) is Status.FAIL


def test_other_names_for_the_same_bytes_are_another_model():
    renamed = facts(files=(plain("LICENSE"), plain("README.md"), file("model.bin")))
    assert renamed.digest != facts().digest


def test_models_without_a_lockfile_have_digests_of_their_own():
    one, other = (facts(files=(file(sha256=digit * 64, locked=False),)) for digit in "12")
    assert one.digest != other.digest


def test_an_extra_file_does_not_change_what_answers_were_given_about():
    assert facts(files=(*facts().files, plain("x.py", locked=False, disk="extra"))).digest == facts().digest


def test_the_documentation_counts_them():
    text = (Path(__file__).parents[2] / "docs" / "audit.md").read_text("utf-8")
    assert f"with {len(QUESTIONS)} questions" in text


def test_questions_are_whole():
    assert len(QUESTIONS) == len(BY_ID) >= 30
    assert {question.part for question in QUESTIONS} == set(Part)
    for question in QUESTIONS:
        assert question.text.endswith("?")
        assert question.evidence_for
        assert set(question.evidence_for) <= TITLES.keys()
    assert {name for question in QUESTIONS for name in question.evidence_for} <= TITLES.keys()
