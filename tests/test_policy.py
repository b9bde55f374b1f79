"""The policy: what it reads, what it refuses to read, and how it judges."""

from __future__ import annotations

import os
import shlex
import subprocess

import pytest

from weighlock.artifact import ModelFile
from weighlock.errors import PolicyError
from weighlock.evidence import Approval, LockEntry
from weighlock.finding import Finding, Inspection, Outcome, Severity
from weighlock.policy import ModelIntent, Policy
from weighlock.verdict import Decision

FILE = ModelFile(path="model.bin", size=3)
ENTRY = LockEntry(model="org/name", path="model.bin")


def inspection(outcome: Outcome, *needs: str) -> Inspection:
    finding = Finding(check="pickle-imports", severity=Severity.HIGH, message="it imports os.system", outcome=outcome)
    findings = (finding,) if outcome > Outcome.DATA_ONLY else ()
    return Inspection(format="pickle", outcome=outcome, needs=needs, findings=findings)


def rules(verdict) -> list[str]:
    return [reason.rule for reason in verdict.reasons]


def test_defaults_are_the_strict_ones():
    assert Policy.from_dict({}) == Policy(mode="enforce", unlocked="refuse", profiles=(), lock=None, models=())


@pytest.mark.parametrize("outcome", list(Outcome))
def test_refuses_every_unlocked_file_by_default(outcome):
    verdict = Policy().decide(FILE, inspection(outcome))
    assert verdict.decision is Decision.DENY
    assert "not-in-lock" in rules(verdict)


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.UNVERIFIABLE, Outcome.NEEDS_APPROVAL])
def test_an_entry_in_the_lock_alone_does_not_admit(outcome):
    verdict = Policy().decide(FILE, inspection(outcome, "a.B"), [ENTRY])
    assert rules(verdict) == [str(outcome)]


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.UNVERIFIABLE])
def test_names_do_not_approve_what_is_dangerous_or_unknown(outcome):
    evidence = [ENTRY, Approval(imports=frozenset({"os.system"}))]
    names = frozenset({"os.system"})
    assert not Policy().decide(FILE, inspection(outcome, "os.system"), evidence, profile_names=names).allowed


def test_an_approval_of_some_names_does_not_cover_the_others():
    evidence = [ENTRY, Approval(imports=frozenset({"a.B"}))]
    verdict = Policy().decide(FILE, inspection(Outcome.NEEDS_APPROVAL, "a.B", "a.C"), evidence)
    assert rules(verdict) == ["needs-approval"]
    assert "a.C" in verdict.reasons[0].message
    assert "a.B" not in verdict.reasons[0].message


def test_needing_approval_of_nothing_in_particular_is_refused():
    assert not Policy().decide(FILE, inspection(Outcome.NEEDS_APPROVAL), [ENTRY]).allowed


def test_an_approval_is_not_a_lock_entry():
    assert rules(Policy().decide(FILE, inspection(Outcome.DATA_ONLY), [Approval(unsafe=True)])) == ["not-in-lock"]


def test_a_remedy_cannot_smuggle_a_command_into_the_shell():
    hostile = ModelFile(path="x; touch marker #.bin", size=1)
    verdict = Policy().decide(hostile, inspection(Outcome.REFUSED))
    for reason in verdict.reasons:
        assert reason.remedy is not None
        assert "./x; touch marker #.bin" in shlex.split(reason.remedy)


@pytest.mark.parametrize(
    "name",
    [
        "models/model.pt",
        "-x.pt",
        "~/x.pt",
        "a\nDENY fake\x1b[31mred.pt",
        "it's \u202e.pt",
        "\udcff\\\n.pt",
        "/abs/x.pt",
    ],
)
def test_a_remedy_names_a_path_that_a_shell_and_the_commands_take_for_that_path(name):
    verdict = Policy().decide(ModelFile(path=name, size=1), inspection(Outcome.DATA_ONLY))
    remedy = verdict.reasons[0].remedy
    assert remedy is not None
    assert remedy.isprintable()
    word = remedy.removeprefix("weighlock lock ")
    shown = subprocess.run(["/bin/bash", "-c", f"printf %s {word}"], capture_output=True, check=True).stdout
    assert shown == os.fsencode(name if name.startswith("/") else f"./{name}")


@pytest.mark.parametrize(
    ("outcome", "evidence", "names"),
    [
        (Outcome.DATA_ONLY, [ENTRY], frozenset()),
        (Outcome.NOT_A_MODEL, [ENTRY], frozenset()),
        (Outcome.NEEDS_APPROVAL, [ENTRY, Approval(imports=frozenset({"a.B"}))], frozenset()),
        (Outcome.NEEDS_APPROVAL, [ENTRY], frozenset({"a.B"})),
        (Outcome.REFUSED, [ENTRY, Approval(unsafe=True)], frozenset()),
    ],
)
def test_admits_on_positive_evidence(outcome, evidence, names):
    verdict = Policy().decide(FILE, inspection(outcome, "a.B"), evidence, profile_names=names)
    assert verdict.allowed
    assert verdict.reasons


def test_inspect_admits_data_alone():
    policy = Policy(unlocked="inspect")
    allowed = [outcome for outcome in Outcome if policy.decide(FILE, inspection(outcome, "a.B")).allowed]
    assert allowed == [Outcome.NOT_A_MODEL, Outcome.DATA_ONLY]


@pytest.mark.parametrize(
    ("data", "where"),
    [
        ({"mdoe": "off"}, "tool.weighlock"),
        ({"mode": "Enforce"}, "tool.weighlock.mode"),
        ({"mode": ["enforce"]}, "tool.weighlock.mode"),
        ({"unlocked": "allow"}, "tool.weighlock.unlocked"),
        ({"unlocked": True}, "tool.weighlock.unlocked"),
        ({"profiles": "scikit-learn"}, "tool.weighlock.profiles"),
        ({"profiles": ["no-such"]}, "tool.weighlock.profiles"),
        ({"lock": ""}, "tool.weighlock.lock"),
        ({"models": ["org/name"]}, "tool.weighlock.models"),
        ({"models": {"org/name": 3}}, 'tool.weighlock.models."org/name"'),
        ({"models": {"org/name": {"rev": "main"}}}, 'tool.weighlock.models."org/name"'),
        ({"models": {"org/name": {"type": "modle"}}}, 'tool.weighlock.models."org/name".type'),
        ({"models": {"org/name": {"include": "*.bin"}}}, 'tool.weighlock.models."org/name".include'),
        ({"models": {"org/name": {"remote-code": "no"}}}, 'tool.weighlock.models."org/name".remote-code'),
    ],
)
def test_a_misspelt_policy_is_refused_with_its_place(data, where):
    with pytest.raises(PolicyError) as error:
        Policy.from_dict(data, profiles={"scikit-learn"})
    assert error.value.where == where


def test_models_are_named_by_ref_or_table():
    data = {"models": {"a/b": "v1", "c/d": {"type": "dataset", "exclude": ["*.bin"], "remote-code": True}}}
    assert Policy.from_dict(data).models == (
        ModelIntent(name="a/b", ref="v1"),
        ModelIntent(name="c/d", type="dataset", exclude=("*.bin",), remote_code=True),
    )
