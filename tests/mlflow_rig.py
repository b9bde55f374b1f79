"""A registry of MLflow behind the promotion gate, and everybody who has to do with it.

`Rig` is one database with one or two servers on it. Every test makes registered models of its own, whose artifacts are
written to the disk of the server, so that nothing but the calls under test takes time.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import pathlib
import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import sqlalchemy

from tests import mlflow_server, postgres, quarantines
from weighlock.gates.policy_files import read_policy
from weighlock.gates.promoted import requirements_digest, resource_of, stage_of
from weighlock.promotion import Promotable, Vsa
from weighlock.promotions.mlflow_tags import tag_of
from weighlock.signing import vsa
from weighlock.signing.key import generate

CI, MALLORY = generate(), generate()
_WORDS = "correct horse staple"
USERS = {"author": "EDIT", "ci": "MANAGE", "viewer": "READ"}
POLICY = """\
[tool.weighlock.evidence]
signers = [{ name = "ci", key = "ci.pub" }, { name = "other", key = "other.pub" }]

[tool.weighlock.quarantine]
lists = ["quarantine.json"]
signers = ["ci"]

[tool.weighlock.promotion]
verifiers = ["ci"]
open-names = ["candidate", "dev"]

[[tool.weighlock.promotion.stages]]
name = "staging"
require = ["lock", "scan"]

[[tool.weighlock.promotion.stages]]
name = "production"
after = "staging"
names = ["champion", "prod"]
actors = ["ci", "admin"]
"""

_number = itertools.count(1)


@dataclass(kw_only=True)
class Rig:
    """One database, its servers, and the policy that holds on them."""

    servers: list[mlflow_server.MlflowServer]
    folder: pathlib.Path
    database: str
    events: list = field(default_factory=list)
    run: dict = field(default_factory=dict)

    @property
    def server(self):
        return self.servers[0]

    def call(self, path, body=None, *, method="POST", user="ci", at=0, place="/api/"):
        return self.servers[at].call(method, f"2.0/mlflow/{path}", body, user=user, place=place)

    def must(self, path, body=None, **words):
        status, answer = self.call(path, body, **words)
        assert status == 200, f"{path}: {status} {answer}"
        return answer

    def model(self, *, files=None, name=None, user="author"):
        """Register a model of its own with one version."""
        made = Model(rig=self, name=name or f"model-{next(_number)}")
        self.must("registered-models/create", {"name": made.name}, user=user)
        made.version(files, user=user)
        return made

    def named(self, name):
        """Return a registered model that others made."""
        return Model(rig=self, name=name)

    def quarantine(self, *events):
        """Sign a list that goes on where the last one ended."""
        self.events.extend(events)
        publish(self.folder, *self.events)

    def write_alias(self, name, alias, version):
        """Write an alias into the database, as who has it can."""
        self._write(
            "DELETE FROM registered_model_aliases WHERE name = :name AND alias = :alias", name=name, alias=alias
        )
        if version is not None:
            words = "INSERT INTO registered_model_aliases (workspace, name, alias, version)"
            self._write(f"{words} VALUES ('default', :name, :alias, :version)", name=name, alias=alias, version=version)

    def write_stage(self, name, version, stage):
        """Write a stage of MLflow into the database."""
        words = "UPDATE model_versions SET current_stage = :stage WHERE name = :name AND version = :version"
        self._write(words, name=name, version=version, stage=stage)

    def _write(self, words, **values):
        engine = sqlalchemy.create_engine(self.database)
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text(words), values)
        engine.dispose()

    def ledger(self):
        """Return everything that the servers recorded, as text."""
        spool = self.folder / "ledger"
        return "".join(path.read_text() for path in sorted(spool.rglob("*.jsonl")))


@dataclass(kw_only=True)
class Model:
    """A registered model."""

    rig: Rig
    name: str

    def version(self, files=None, *, user="author", tags=()):
        """Register one more version, and return its number."""
        run = self.rig.run
        folder = f"{self.name}-{next(_number)}"
        self.write(folder, files or {"MLmodel": b"flavors: {}\n", "data/model.bin": folder.encode()})
        body = {
            "name": self.name,
            "source": f"{run['artifact_uri']}/{folder}",
            "run_id": run["run_id"],
            "tags": list(tags),
        }
        return int(self.rig.must("model-versions/create", body, user=user)["model_version"]["version"])

    def write(self, folder, files):
        for path, data in files.items():
            place = self.place(folder) / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)

    def place(self, folder):
        root = self.rig.run["artifact_uri"].removeprefix("mlflow-artifacts:").lstrip("/")
        return self.rig.folder / "artifacts" / root / folder

    def folder(self, version=1):
        """Return where the artifacts of a version lie on the disk."""
        query = f"model-versions/get-download-uri?name={self.name}&version={version}"
        uri = self.rig.must(query, method="GET")["artifact_uri"]
        return self.rig.folder / "artifacts" / uri.removeprefix("mlflow-artifacts:").lstrip("/")

    def bytes(self, path, version=1):
        return (self.folder(version) / path).read_bytes()

    def artifact(self, path, version=1):
        """Return the address by which clients write an artifact of a version."""
        place = self.folder(version).relative_to(self.rig.folder / "artifacts").as_posix()
        return f"2.0/mlflow-artifacts/artifacts/{place}/{path}"

    def files(self, version=1):
        folder = self.folder(version)
        found = (path for path in sorted(folder.rglob("*")) if path.is_file())
        return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}

    def summary(self, version=1, stage="production", *, files=None, previous=None, made=None, name=None):
        """Return a verification summary as `weighlock promote` would write it."""
        place = str(self.rig.folder / "weighlock.toml")
        policy = read_policy(place)
        resource = resource_of(policy, "mlflow", name or self.name, stage)
        return Vsa(
            promotable=Promotable(resource=resource, files=files or self.files(version)),
            version=str(version),
            requirements=requirements_digest(policy, stage_of(policy, stage), place),
            policy=policy.stamp.policy,
            previous=previous,
            made=made or datetime.now(UTC),
        )

    def attach(self, summary, *, version=1, key=CI, user="ci"):
        """Put a verification summary to a version, and return its digest."""
        tag, value = tag_of(key.sign(vsa.statement_of(summary).to_bytes()).to_bytes())
        body = {"name": self.name, "version": str(version), "key": tag, "value": value}
        status, answer = self.rig.call("model-versions/set-tag", body, user=user)
        return (status, answer) if status != 200 else f"sha256:{tag.rpartition('.')[2]}"

    def promote(self, version=1, stage="production", *, alias=None, user="ci", **words):
        """Promote as it is done, and return the digest of the summary."""
        digest = self.attach(self.summary(version, stage, previous=self.in_force(stage), **words), version=version)
        assert isinstance(digest, str), digest
        status, answer = self.alias(alias or stage, version, user=user)
        assert status == 200, answer
        return digest

    def alias(self, alias, version=1, *, user="ci", **words):
        body = {"name": self.name, "alias": alias, "version": str(version)}
        return self.rig.call("registered-models/alias", body, user=user, **words)

    def get(self):
        return self.rig.must(f"registered-models/get?name={self.name}", method="GET")["registered_model"]

    def in_force(self, stage="production"):
        tags = {tag["key"]: tag.get("value") for tag in self.get().get("tags", [])}
        return tags.get(f"weighlock.in-force.{stage}")

    def named(self):
        """Return every name of a stage that stands for a version: aliases, and stages of MLflow."""
        model = self.get()
        aliases = {one["alias"]: int(one["version"]) for one in model.get("aliases", [])}
        stages = {one["current_stage"]: int(one["version"]) for one in model.get("latest_versions", [])}
        open_ = ("candidate", "dev", "None", "Archived")
        return {name: version for name, version in {**aliases, **stages}.items() if name not in open_}


@contextlib.contextmanager
def running(
    kind: str, folder: pathlib.Path, *, servers: int = 1, auth: bool = True, scheme: str = "weighlock+", **more
):
    """Yield a rig: a database of a kind, and servers on it.

    Args:
        kind: ``sqlite`` or ``postgresql``.
        folder: Empty.
        servers: How many.
        auth: Whether they ask for passwords.
        scheme: Before the address of the registry store; empty for MLflow's own, which has no gate.
        more: For `mlflow_server.server`.
    """
    (folder / "ci.pub").write_bytes(CI.public.pem)
    (folder / "other.pub").write_bytes(MALLORY.public.pem)
    (folder / "weighlock.toml").write_text(POLICY)
    publish(folder)
    environ = {"WEIGHLOCK_POLICY": str(folder / "weighlock.toml"), "WEIGHLOCK_LEDGER": str(folder / "ledger")}
    with contextlib.ExitStack() as stack:
        database = f"sqlite:///{folder}/mlflow.db"
        if kind == "postgresql":
            database = stack.enter_context(postgres.server()).replace("postgresql:", "postgresql+psycopg:")
        os.makedirs(folder / "artifacts")
        rig = Rig(servers=[], folder=folder, database=database)
        for number in range(servers):
            place = folder / f"server{number}"
            place.mkdir()
            words = {"auth": auth, "backend": database, "registry": f"{scheme}{database}", "environ": environ}
            words["artifacts"] = f"weighlock+file://{folder}/artifacts" if scheme else f"{folder}/artifacts"
            rig.servers.append(stack.enter_context(mlflow_server.server(place, **words, **more)))
            for user, permission in USERS.items() if auth else ():
                rig.servers[-1].add_user(
                    user, _WORDS, dict.fromkeys([("registered_model", "*"), ("experiment", "*")], permission)
                )
        rig.run = rig.must("runs/create", {"experiment_id": "0"}, user="admin")["run"]["info"]
        yield rig


def publish(folder: pathlib.Path, *events) -> None:
    """Sign a quarantine list, and put it where the policy says."""
    fresh = folder / "quarantine.new"
    fresh.write_bytes(quarantines.signed(quarantines.listed(*events), CI))
    fresh.rename(folder / "quarantine.json")


def changed(summary, **words):
    """Return a summary that says something else."""
    return replace(summary, **words)


def is_refused(answer, why=""):
    """Say whether an answer is a refusal of the gate, and none of something else."""
    status, body = answer
    return status == 403 and "weighlock refuses" in str(body) and re.search(why, str(body)) is not None
