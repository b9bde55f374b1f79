"""Verification summaries at the gate: each attack on a promotion that can be made with other people's documents."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from weighlock.errors import ForgedError, PolicyError
from weighlock.gates import promoted as gate
from weighlock.policy import Policy
from weighlock.promotion import Promotable, Vsa
from weighlock.signing import vsa
from weighlock.signing.key import generate

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
FILES = {"MLmodel": "a" * 64, "model.pkl": "b" * 64}
CI, MALLORY = generate(), generate()


@pytest.fixture
def policy(tmp_path):
    (tmp_path / "ci.pub").write_bytes(CI.public.pem)
    signers = [{"name": "ci", "key": "ci.pub"}]
    return Policy.from_dict({"evidence": {"signers": signers}, "promotion": {"verifiers": ["ci"]}})


@pytest.fixture
def place(tmp_path):
    return str(tmp_path / "weighlock.toml")


@pytest.fixture
def trust(policy, tmp_path):
    return gate.trust_in(policy, str(tmp_path / "weighlock.toml"), policy.promotion.verifiers)


@pytest.fixture
def expected(policy):
    return Promotable(resource=gate.resource_of(policy, "mlflow", "net", "Production"), files=FILES)


@pytest.fixture
def summary(policy, place, expected):
    stage = gate.stage_of(policy, "production")
    return Vsa(
        promotable=expected,
        version="3",
        requirements=gate.requirements_digest(policy, stage, place),
        policy=policy.stamp.policy,
        previous=None,
        made=NOW,
    )


def signed(summary, key=CI):
    return key.sign(vsa.statement_of(summary).to_bytes()).to_bytes()


def test_a_summary_of_exactly_these_files_counts_and_moves_once(summary, expected, trust, policy, place):
    promoted = gate.verify_vsa(signed(summary), expected, trust, now=NOW)
    assert promoted.verifier == "ci"
    gate.require_move(promoted, policy, place, in_force=None, now=NOW)
    gate.require_move(promoted, policy, place, in_force=promoted.digest, now=NOW)
    with pytest.raises(ForgedError, match="used before, or something else"):
        gate.require_move(promoted, policy, place, in_force=f"sha256:{'0' * 64}", now=NOW)


def test_a_stranger_s_summary_is_refused(summary, expected, trust):
    with pytest.raises(ForgedError):
        gate.verify_vsa(signed(summary, MALLORY), expected, trust, now=NOW)


@pytest.mark.parametrize(
    "files",
    [{"MLmodel": "a" * 64}, {**FILES, "code/evil.py": "c" * 64}, {**FILES, "model.pkl": "c" * 64}, {}],
    ids=["less", "more", "other bytes", "nothing"],
)
def test_a_summary_of_other_files_is_refused(summary, expected, trust, files):
    with pytest.raises(ForgedError):
        gate.verify_vsa(signed(summary), replace(expected, files=files), trust, now=NOW)


@pytest.mark.parametrize("name", ["mlflow other production", "oci net production", "mlflow net staging"])
def test_another_model_s_summary_is_refused(summary, expected, trust, policy, name):
    other = gate.resource_of(policy, *name.split())
    with pytest.raises(ForgedError, match="is about"):
        gate.verify_vsa(signed(summary), replace(expected, resource=other), trust, now=NOW)


def test_a_summary_of_the_future_is_refused_so_a_clock_that_is_moved_back_moves_nothing(summary, expected, trust):
    with pytest.raises(ForgedError, match="future"):
        gate.verify_vsa(signed(summary), expected, trust, now=NOW - timedelta(hours=1))


def test_an_old_summary_is_refused(summary, expected, trust, policy, place):
    promoted = gate.verify_vsa(signed(summary), expected, trust, now=NOW)
    with pytest.raises(ForgedError, match="too long ago"):
        gate.require_move(promoted, policy, place, in_force=None, now=NOW + timedelta(days=91))


def test_a_summary_made_by_looser_rules_is_refused(summary, expected, trust, policy, place):
    promoted = gate.verify_vsa(signed(summary), expected, trust, now=NOW)
    stages = (policy.promotion.stages[0], replace(policy.promotion.stages[1], approvals=2))
    stricter = replace(policy, promotion=replace(policy.promotion, stages=stages))
    with pytest.raises(ForgedError, match="other rules"):
        gate.require_move(promoted, stricter, place, in_force=None, now=NOW)


def test_a_verifier_who_is_nobody_is_an_error_and_not_everybody(policy):
    with pytest.raises(PolicyError, match="no signer"):
        gate.trust_in(policy, None, ("c1",))


def test_without_any_signer_nothing_can_be_promoted(tmp_path):
    with pytest.raises(PolicyError, match="nobody's signature counts"):
        gate.trust_in(Policy(), str(tmp_path / "weighlock.toml"), ())


def test_a_summary_made_with_another_key_under_the_name_of_the_approver_s_key_file(tmp_path, summary, expected):
    """Who may write a project's folder exchanges `bob.pub` there; the server has the real one."""
    bob = generate()
    signers = [{"name": "ci", "key": "ci.pub"}, {"name": "bob", "key": "keys/bob.pub"}]
    policy = Policy.from_dict({"evidence": {"signers": signers}, "promotion": {"verifiers": ["ci"]}})
    paths = []
    for name, key in (("server", bob), ("project", MALLORY), ("moved", bob)):
        (tmp_path / name / "keys").mkdir(parents=True)
        (tmp_path / name / "ci.pub").write_bytes(CI.public.pem)
        (tmp_path / name / "keys" / "bob.pub").write_bytes(key.public.pem)
        paths.append(str(tmp_path / name / "weighlock.toml"))
    server, project, moved = (gate.requirements_digest(policy, gate.stage_of(policy, "production"), p) for p in paths)
    assert server == moved
    trust = gate.trust_in(policy, paths[0], ["ci"])
    forged = gate.verify_vsa(signed(replace(summary, requirements=project)), expected, trust, now=NOW)
    with pytest.raises(ForgedError, match="by other rules"):
        gate.require_move(forged, policy, paths[0], in_force=None, now=NOW)
