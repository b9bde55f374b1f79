"""The store itself, without a server in front: as a program that opens the database through it, and to kill it."""

from __future__ import annotations

import hashlib
import os
import pathlib
from datetime import UTC, datetime

from tests.mlflow_rig import CI, MALLORY, POLICY, publish
from weighlock.gates.policy_files import read_policy
from weighlock.gates.promoted import requirements_digest, resource_of, stage_of
from weighlock.promotion import Promotable, Vsa
from weighlock.promotions.mlflow_tags import tag_of
from weighlock.signing import vsa


def policy_in(folder: pathlib.Path, text: str = POLICY.replace('actors = ["ci", "admin"]\n', "")) -> dict[str, str]:
    """Write a policy, and return the variables by which it is found."""
    (folder / "ci.pub").write_bytes(CI.public.pem)
    (folder / "other.pub").write_bytes(MALLORY.public.pem)
    (folder / "weighlock.toml").write_text(text)
    publish(folder)
    return {"WEIGHLOCK_POLICY": str(folder / "weighlock.toml"), "WEIGHLOCK_LEDGER": str(folder / "ledger")}


def summary_of(folder: pathlib.Path, name: str, version: int, artifacts: pathlib.Path, previous: str | None):
    """Return the digest and the tag of a summary of the files in a folder."""
    found = sorted(path for path in artifacts.rglob("*") if path.is_file())
    files = {path.relative_to(artifacts).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}
    said = vsa_of(folder, name, version, files, previous)
    tag, value = tag_of(CI.sign(vsa.statement_of(said).to_bytes()).to_bytes())
    return f"sha256:{tag.rpartition('.')[2]}", tag, value


def vsa_of(folder: pathlib.Path, name: str, version: int, files: dict[str, str], previous: str | None) -> Vsa:
    """Return a summary by the policy in a folder; no two are alike."""
    place = str(folder / "weighlock.toml")
    policy = read_policy(place)
    return Vsa(
        promotable=Promotable(resource=resource_of(policy, "mlflow", name, "production"), files=files),
        version=str(version),
        requirements=requirements_digest(policy, stage_of(policy, "production"), place),
        policy=policy.stamp.policy,
        previous=previous,
        made=datetime.now(UTC),
        actor=os.urandom(4).hex(),
    )
