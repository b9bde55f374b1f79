"""What an MLflow server behind the gate does for clients that know nothing of it: all that MLflow does."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest

pytestmark = pytest.mark.e2e

_CLIENT = pathlib.Path(__file__).with_name("client.py")


def run(rig, user, what, name, *, at=0):
    """Run a program of a user, and return what it says."""
    environ = {name: word for name, word in os.environ.items() if not name.startswith(("MLFLOW_", "WEIGHLOCK_"))}
    environ |= rig.servers[at].environ(user) | {"MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}
    command = [sys.executable, str(_CLIENT), what, name]
    ran = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])  # MLflow prints addresses before


def test_an_author_and_a_pipeline_with_mlflow_s_own_clients(rig):
    """Log, register, try, promote, load, and go back: two users, unchanged programs, on whichever server."""
    last = len(rig.servers) - 1
    model = rig.named("flows")
    assert run(rig, "author", "author", "flows") == {"version": "1", "said": [2, 4]}
    refused = run(rig, "ci", "promote", "flows")
    assert refused["error"] == "PERMISSION_DENIED"
    assert "weighlock promote models:/flows --to production" in refused["message"]
    # What `weighlock promote` writes, and the pipeline goes through.
    model.attach(model.summary(1))
    assert run(rig, "ci", "promote,stage", "flows", at=last) == {"version": "1", "stage": "Production"}
    loaded = run(rig, "viewer", "load", "flows")
    assert loaded == {"said": [6], "aliases": {"candidate": "1", "production": "1"}, "latest": "1"}
    assert '"actor":"mlflow:viewer@127.0.0.1"' in rig.ledger()
    # A copy of it is in no stage.
    copied = run(rig, "ci", "copy", "flows")
    assert copied == {"version": "1", "name": "flows-copy"}
    assert rig.named("flows-copy").named() == {}


def test_names_of_a_stage_move_together(rig):
    model = rig.model()
    model.promote()
    assert model.alias("champion")[0] == 200
    assert model.alias("candidate", user="author")[0] == 200
    body = {"name": model.name, "version": "1", "stage": "Production", "archive_existing_versions": False}
    rig.must("model-versions/transition-stage", body)
    model.version()
    model.promote(2, alias="Prod")
    assert model.named() == {"production": 2, "champion": 2, "Prod": 2}


def test_a_rollback_is_a_new_summary_of_the_old_version(rig):
    model = rig.model()
    first = model.promote()
    model.version()
    model.promote(2)
    again = model.promote(1)
    assert again != first
    assert model.named() == {"production": 1}


def test_stages_are_apart(rig):
    model = rig.model()
    staged = model.promote(stage="staging")
    digest = model.promote()
    assert model.named() == {"staging": 1, "production": 1}
    assert (model.in_force("staging"), model.in_force()) == (staged, digest)


def test_a_demotion_needs_nobody(rig):
    model = rig.model()
    model.promote()
    rig.must("registered-models/alias", {"name": model.name, "alias": "production"}, method="DELETE")
    body = {"name": model.name, "version": "1", "stage": "Archived", "archive_existing_versions": False}
    rig.must("model-versions/transition-stage", body)
    assert model.named() == {}


def test_the_ledger_says_who_promoted_and_who_asked(rig):
    model = rig.model()
    digest = model.promote()
    rig.must(f"registered-models/alias?name={model.name}&alias=production", method="GET", user="viewer")
    rig.must(f"model-versions/get-download-uri?name={model.name}&version=1", method="GET", user="viewer")
    entries = [json.loads(line) for line in rig.ledger().splitlines() if f'"mlflow:{model.name}' in line]
    found = [(entry["kind"], entry["rules"], entry["actor"], entry.get("digest")) for entry in entries]
    assert ("promotion", ["promoted"], "mlflow:ci@127.0.0.1", digest) in found
    assert ("model", ["resolved"], "mlflow:viewer@127.0.0.1", digest) in found
    assert ("model", ["located"], "mlflow:viewer@127.0.0.1", digest) in found


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("note", "the bug that we saw in production"),
        ("dataset", "s3://prod-data/credit"),
        ("accuracy", "0.93"),
        ("stage", "dev"),
        ("reproduction", "42"),
    ],
)
def test_tags_that_say_nothing_of_a_stage(rig, key, value):
    model = rig.model()
    body = {"name": model.name, "version": "1", "key": key, "value": value}
    rig.must("model-versions/set-tag", body, user="author")
    rig.must("registered-models/set-tag", {"name": model.name, "key": key, "value": value}, user="author")


def test_a_model_that_was_never_promoted_can_be_renamed(rig):
    model = rig.model()
    body = {"name": model.name, "new_name": f"{model.name}-better"}
    rig.must("registered-models/rename", body)
