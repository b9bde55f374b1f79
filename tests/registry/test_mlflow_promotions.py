"""The client of `weighlock promote` for MLflow, against a server with the gate, and one without."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from tests import mlflow_server
from tests.mlflow_direct import policy_in, vsa_of
from tests.mlflow_rig import CI, MALLORY, POLICY
from weighlock.errors import ForgedError, SourceError
from weighlock.gates.policy_files import read_policy
from weighlock.gates.promoted import trust_in, verify_vsa
from weighlock.promotions.mlflow import MlflowPromotions
from weighlock.signing import vsa as vsas
from weighlock.signing.key import private_pem

pytestmark = pytest.mark.e2e


@pytest.fixture
def client(rig):
    return MlflowPromotions(rig.server.environ("ci"))


def promoted(rig, summary):
    return promoted_in(rig.folder, summary)


def promoted_in(folder, summary):
    place = str(folder / "weighlock.toml")
    trust = trust_in(read_policy(place), place, ())
    bundle = CI.sign(vsas.statement_of(summary).to_bytes()).to_bytes()
    return verify_vsa(bundle, summary.promotable, trust, now=datetime.now(UTC))


def test_files_are_those_that_the_server_hashes(rig, client):
    model = rig.model()
    assert client.files(model.name, "1") == model.files()
    with pytest.raises(SourceError):
        client.files(model.name, "9")


def test_it_promotes_and_says_what_was_in_force(rig, client):
    model = rig.model()
    model.version()
    resource = model.summary().promotable.resource
    assert client.in_force(resource) is None
    digests = []
    for version in (1, 2, 1):
        move = promoted(rig, model.summary(version, previous=digests[-1] if digests else None))
        client.move(move)
        digests.append(move.digest)
        assert model.named() == {"production": version}
    standing = client.in_force(resource)
    assert (standing.digest, standing.version) == (digests[-1], "1")
    assert [one.digest for one in client.history(resource)] == digests[::-1]
    assert [one.version for one in client.history(resource)] == ["1", "2", "1"]
    with pytest.raises(ForgedError, match="refuses"):
        client.move(promoted(rig, model.summary(2, previous=digests[0])))
    assert model.in_force() == digests[-1]


def test_a_user_without_rights(rig):
    model = rig.model()
    with pytest.raises(ForgedError):
        MlflowPromotions(rig.server.environ("viewer")).move(promoted(rig, model.summary()))
    assert model.named() == {}


def test_a_server_that_promotes_without_looking(tmp_path):
    policy_in(tmp_path)
    with mlflow_server.server(tmp_path / "server") as plain:
        plain.must("POST", "2.0/mlflow/registered-models/create", {"name": "net"})
        run = plain.must("POST", "2.0/mlflow/runs/create", {"experiment_id": "0"})["run"]["info"]
        body = {"name": "net", "source": run["artifact_uri"], "run_id": run["run_id"]}
        plain.must("POST", "2.0/mlflow/model-versions/create", body)
        with pytest.raises(SourceError, match="without looking"):
            MlflowPromotions(plain.environ()).move(
                promoted_in(tmp_path, vsa_of(tmp_path, "net", 1, {"x": "a" * 64}, None))
            )


def weighlock(rig, folder, *words):
    """Run a command in a project, as the user `ci` of the server."""
    environ = {name: word for name, word in os.environ.items() if not name.startswith(("MLFLOW_", "WEIGHLOCK_"))}
    environ |= rig.server.environ("ci") | {name: str(folder / name) for name in ("WEIGHLOCK_STATE", "WEIGHLOCK_CACHE")}
    command = [sys.executable, "-m", "weighlock", *words]
    ran = subprocess.run(command, env=environ, cwd=folder, capture_output=True, text=True, timeout=200, check=False)
    return ran.returncode, ran.stdout + ran.stderr


def test_the_commands_lock_and_promote_what_is_on_the_server(rig, tmp_path):
    files = {"MLmodel": b"flavors: {}\n", "config.json": b"{}"}
    model = rig.model(files=files)
    model.version({**files, "config.json": b'{"better": true}'})
    (tmp_path / "ci.pub").write_bytes(CI.public.pem)
    (tmp_path / "other.pub").write_bytes(MALLORY.public.pem)
    (tmp_path / "ci.key").write_bytes(private_pem(CI, None))
    (tmp_path / "ci.key").chmod(0o600)
    policy = "\n".join(line for line in POLICY.splitlines() if line != 'lists = ["quarantine.json"]')
    (tmp_path / "weighlock.toml").write_text(policy)
    for version in (1, 2):
        name = f"models:/{model.name}/{version}"
        (tmp_path / "models.lock").unlink(missing_ok=True)
        assert weighlock(rig, tmp_path, "lock", name)[0] == 0
        assert weighlock(rig, tmp_path, "sync")[0] == 0
        status, said = weighlock(
            rig, tmp_path, "promote", f"models:/{model.name}", "--to", "staging", "--key", "ci.key"
        )
        assert status == 0, said
        assert model.named() == {"staging": version}
    model.write(model.folder(2).name, {"config.json": b"overwritten"})
    status, said = weighlock(rig, tmp_path, "promote", f"models:/{model.name}", "--to", "staging", "--key", "ci.key")
    assert status == 1, said
    assert model.named() == {"staging": 2}
