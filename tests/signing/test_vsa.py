"""Verification summaries and approvals: one reading, and each changed member found."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from weighlock.artifact import Digest
from weighlock.errors import ForgedError
from weighlock.promotion import Approval, Input, Promotable, Resource, Vsa
from weighlock.signing import approval, vsa
from weighlock.signing.statement import read_statement

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
RESOURCE = Resource(registry="mlflow", model="team/Net #1%", stage="production")
PROMOTABLE = Promotable(resource=RESOURCE, files={"MLmodel": "a" * 64, "data/model.pkl": "b" * 64})
REQUIRED = f"sha256:{'c' * 64}"
SUMMARY = Vsa(
    promotable=PROMOTABLE,
    version="3",
    requirements=REQUIRED,
    policy=f"sha256:{'d' * 64}",
    previous=None,
    made=NOW,
    inputs=(Input(kind="lockfile", name="models.lock", digest=Digest.sha256("e" * 64)),),
    actor="ci@host",
)
APPROVED = Approval(
    promotable=PROMOTABLE,
    requirements=REQUIRED,
    previous=f"sha256:{'f' * 64}",
    made=NOW,
    expires=NOW + timedelta(days=2),
    reason="reviewed",
)


def changed(statement, *path, value=None, gone=False):
    document = json.loads(statement.to_bytes())
    inner = document
    for step in path[:-1]:
        inner = inner[step]
    if gone:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return read_statement(json.dumps(document).encode())


def test_what_was_written_is_what_is_read():
    assert vsa.read_vsa(read_statement(vsa.statement_of(SUMMARY).to_bytes())) == SUMMARY
    assert approval.read_approval(read_statement(approval.statement_of(APPROVED).to_bytes())) == APPROVED


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("predicate", "verificationResult"), "FAILED"),
        (("predicate", "verificationResult"), "passed"),
        (("predicate", "verifier"), {"id": "https://other.example"}),
        (("predicate", "verifiedLevels"), ["PROMOTED_STAGING"]),
        (("predicate", "verifiedLevels"), []),
        (("predicate", "resourceUri"), "mlflow:team/Net #1%#production"),
        (("predicate", "resourceUri"), "mlflow:m#Production"),
        (("predicate", "resourceUri"), "docker:m#production"),
        (("predicate", "timeVerified"), "2026-11-01T12:00:00+00:00"),
        (("predicate", "timeVerified"), "2026-11-1T12:00:00Z"),
        (("predicate", "policy", "digest"), {"sha1": "a" * 40}),
        (("predicate", vsa.EXTENSION, "previous"), ""),
        (("predicate", vsa.EXTENSION, "requirements"), "c" * 64),
        (("predicate", "more"), 1),
        (("predicateType",), approval.PREDICATE),
    ],
)
def test_a_summary_with_a_changed_member_is_refused(path, value):
    statement = changed(vsa.statement_of(SUMMARY), *path, value=value)
    with pytest.raises(ForgedError):
        vsa.read_vsa(statement)


def test_a_summary_that_does_not_say_what_it_replaces_is_refused():
    with pytest.raises(ForgedError, match="has no previous"):
        vsa.read_vsa(changed(vsa.statement_of(SUMMARY), "predicate", vsa.EXTENSION, "previous", gone=True))


def test_a_summary_with_a_file_twice_or_a_second_digest_is_refused():
    one = {"name": "MLmodel", "digest": {"sha256": "a" * 64}}
    for subjects in ([one, one], [{"name": "MLmodel", "digest": {"sha256": "a" * 64, "sha512": "0" * 128}}]):
        with pytest.raises(ForgedError, match="subject"):
            vsa.read_vsa(changed(vsa.statement_of(SUMMARY), "subject", value=subjects))


def test_a_summary_of_no_file_cannot_be_made():
    with pytest.raises(ForgedError, match="no file"):
        vsa.statement_of(Vsa(**{**{name: getattr(SUMMARY, name) for name in SUMMARY.__slots__}, "promotable": EMPTY}))


EMPTY = Promotable(resource=RESOURCE, files={})


def test_no_two_resources_have_the_same_name():
    resources = [
        Resource(registry="mlflow", model=model, stage=stage)
        for model in ("a", "a#b", "a%23b", "a/b", "A", "a b")
        for stage in ("production", "prod#uction", "b#production")
    ]
    assert len({resource.uri for resource in resources}) == len(resources)


def test_an_approval_is_no_summary():
    with pytest.raises(ForgedError):
        vsa.read_vsa(approval.statement_of(APPROVED))
    with pytest.raises(ForgedError):
        approval.read_approval(vsa.statement_of(SUMMARY))
