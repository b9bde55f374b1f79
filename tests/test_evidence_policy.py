from __future__ import annotations

import pytest

from weighlock.errors import PolicyError
from weighlock.evidence_policy import EngineChoice, EvidencePolicy, Signer
from weighlock.policy import Policy

WHOLE = {
    "require-signature": True,
    "threshold": 2,
    "signers": [
        {"name": "release", "key": "keys/release.pub"},
        {"name": "builder", "identity": "https://example.com/build", "issuer": "https://token.example.com"},
        {"name": "team", "certificate": "ca.pem", "identity": "ml@example.com"},
    ],
    "ledger": {"place": "/var/lib/weighlock", "required": True},
    "engines": [
        {"rego": "policies", "query": "data.team.decision", "timeout": "1.5 seconds"},
        {"opa": "http://127.0.0.1:8181", "query": "data.weighlock.decision", "timeout": "2 seconds", "token": "OPA"},
    ],
}


def test_a_policy_says_again_what_it_read():
    policy = EvidencePolicy.from_dict(WHOLE)
    assert policy.to_dict() == WHOLE
    assert EvidencePolicy.from_dict(policy.to_dict()) == policy
    whole = Policy.from_dict({"evidence": WHOLE, "models": {"a/b": "main"}, "install": {"min-age": "36 hours"}})
    assert Policy.from_dict(whole.to_dict()) == whole
    assert Policy.from_dict(Policy().to_dict()) == Policy()


def test_the_defaults_of_an_engine():
    assert EvidencePolicy.from_dict({"engines": [{"rego": "a.rego"}]}).engines == (EngineChoice(rego="a.rego"),)
    assert EvidencePolicy.from_dict({"signers": [{"name": "a", "key": "a.pub"}]}).signers == (
        Signer(name="a", key="a.pub"),
    )


def test_every_value_changes_the_digest_of_the_policy():
    stamps = {Policy().stamp.policy, Policy(mode="warn").stamp.policy, Policy(trust_saved=False).stamp.policy}
    stamps |= {Policy(evidence=EvidencePolicy(threshold=2)).stamp.policy, Policy(verify="sealed").stamp.policy}
    assert len(stamps) == 5
    assert Policy().stamp == Policy().stamp
    assert Policy().stamp.engine == "builtin"


@pytest.mark.parametrize(
    ("document", "where"),
    [
        ([], ""),
        ({"sign": True}, ""),
        ({"require-signature": "yes"}, ".require-signature"),
        ({"require-signature": True}, ".signers"),
        ({"require-signature": True, "threshold": 2, "signers": [{"name": "a", "key": "a"}]}, ".signers"),
        ({"threshold": 0}, ".threshold"),
        ({"threshold": True}, ".threshold"),
        ({"signers": [{"key": "a"}]}, ".signers[0].name"),
        ({"signers": [{"name": "a"}]}, ".signers[0]"),
        ({"signers": [{"name": "a", "certificate": "ca.pem"}]}, ".signers[0]"),
        ({"signers": [{"name": "a", "identity": "me@example.com"}]}, ".signers[0]"),
        ({"signers": [{"name": "a", "issuer": "https://example.com"}]}, ".signers[0]"),
        ({"signers": [{"name": "a", "key": "a", "identity": "b"}]}, ".signers[0]"),
        ({"signers": [{"name": "a", "identity": "b", "issuer": "c", "certificate": "d"}]}, ".signers[0]"),
        ({"signers": [{"name": "a", "key": "a"}, {"name": "a", "key": "b"}]}, ".signers"),
        ({"signers": [{"name": "a", "key": ""}]}, ".signers[0].key"),
        ({"engines": [{}]}, ".engines[0]"),
        ({"engines": [{"rego": "a", "opa": "http://127.0.0.1"}]}, ".engines[0]"),
        ({"engines": [{"opa": "ftp://example.com"}]}, ".engines[0].opa"),
        ({"engines": [{"opa": "http://user:pass@127.0.0.1"}]}, ".engines[0].opa"),
        ({"engines": [{"rego": "a", "query": "input.allow"}]}, ".engines[0].query"),
        ({"engines": [{"rego": "a", "query": "data.a; true"}]}, ".engines[0].query"),
        ({"engines": [{"rego": "a", "timeout": "0 seconds"}]}, ".engines[0].timeout"),
        ({"engines": [{"rego": "a", "timeout": 2}]}, ".engines[0].timeout"),
        ({"engines": [{"rego": "a", "token": "T"}]}, ".engines[0].token"),
        ({"engines": [{"opa": "http://127.0.0.1", "token": "a b"}]}, ".engines[0].token"),
        ({"ledger": {"path": "/x"}}, ".ledger"),
        ({"ledger": {"required": 1}}, ".ledger.required"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_key(document, where):
    with pytest.raises(PolicyError) as caught:
        EvidencePolicy.from_dict(document)
    assert caught.value.where == f"tool.weighlock.evidence{where}"
