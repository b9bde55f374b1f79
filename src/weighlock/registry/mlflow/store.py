"""The registry store of MLflow that promotes nothing without a verification summary.

Every method of MLflow's store that writes, or that says which files a name stands for, is here or is listed below with
why it need not be:

- `update_registered_model`, `update_model_version`: a description is prose, and no client picks a model by it.
- `search_registered_models`, `search_model_versions`, `get_model_version`: they describe; who loads asks for an alias,
  for the latest version of a stage, or for the address to download from.
- webhooks: they tell of what happened.
- `copy_model_version`, prompts and `link_prompt_…`: MLflow makes them of the methods that are here.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from mlflow.entities.model_registry import RegisteredModelTag
from mlflow.environment_variables import MLFLOW_ENABLE_WORKSPACES
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from mlflow.utils.validation import (
    _validate_model_alias_name,
    _validate_model_alias_name_reserved,
    _validate_model_name,
    _validate_model_version,
)

from weighlock.errors import AdmissionError, PolicyError
from weighlock.promotion_policy import folded
from weighlock.promotions.mlflow_tags import IN_FORCE, OURS, VSA
from weighlock.registry.mlflow import memory
from weighlock.registry.mlflow.artifacts import stamps_of
from weighlock.registry.mlflow.gate import Candidate, MlflowGate
from weighlock.registry.mlflow.move import Move
from weighlock.registry.mlflow.rows import points_at, stages_of, summaries_of, versions_at
from weighlock.registry.mlflow.words import stages_said

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from weighlock.promotion_policy import Stage

_SCHEME = "weighlock+"
_GONE = ("none", "archived")
"""Stages of MLflow's own that nothing is loaded from."""


class GuardedStore(SqlAlchemyStore):  # type: ignore[misc] # MLflow is not looked at by the type checker
    """MLflow's SQLAlchemy store behind the promotion gate.

    Args:
        store_uri: ``weighlock+``, and the address of a database.

    Raises:
        WeighlockError: The policy names nobody whose verification summaries count, or cannot be read.
    """

    def __init__(self, store_uri: str) -> None:
        if MLFLOW_ENABLE_WORKSPACES.get():
            hint = "run one server for each workspace"
            raise PolicyError("workspaces of MLflow are not known to verification summaries", hint=hint)
        self._gate = MlflowGate(os.environ)
        super().__init__(_database(store_uri))
        memory.prepare(self.engine)

    # Names that move

    def set_registered_model_alias(self, name: str, alias: str, version: Any) -> None:
        """Point an alias at a version: an open one as MLflow does, that of a stage with a verification summary."""
        _validate_model_name(name)
        _validate_model_alias_name(alias)
        _validate_model_alias_name_reserved(alias)
        stage = self._stage(name, alias)
        if stage is None:
            super().set_registered_model_alias(name, alias, version)
        else:
            self._promote(name, _validate_model_version(version), stage, alias=alias)

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        """Remove an alias; what was promoted is remembered, so that nothing older can take its place."""
        super().delete_registered_model_alias(name, alias)
        stage = self._gate.promotion.stage(alias)
        if stage is not None:
            self._gate.record("promotion", self._gate.uri(name, stage), "demoted")

    def transition_model_version_stage(
        self, name: str, version: Any, stage: str, archive_existing_versions: Any
    ) -> Any:
        """Move a version to a stage of MLflow, which is a name of a stage of the policy."""
        is_named = self._gate.promotion.stage(stage) is not None
        found = self._stage(name, stage) if is_named or folded(stage) not in _GONE else None
        if found is not None:
            self._promote(name, _validate_model_version(version), found, mlflow_stage=stage)
            return self.get_model_version(name, version)
        moved = super().transition_model_version_stage(name, version, stage, archive_existing_versions)
        self._gate.record("promotion", f"mlflow:{name}/{version}", "demoted")
        return moved

    # Tags

    def create_registered_model(
        self, name: str, tags: Any = None, description: Any = None, deployment_job_id: Any = None
    ) -> Any:
        """Make a registered model, of which no tag says that it is in a stage."""
        self._require_tags(name, None, tags)
        return super().create_registered_model(name, tags, description, deployment_job_id)

    def set_registered_model_tag(self, name: str, tag: Any) -> None:
        """Tag a registered model, which cannot say which of its versions is in a stage."""
        self._require_tags(name, None, [tag])
        super().set_registered_model_tag(name, tag)

    def create_model_version(  # noqa: PLR0917 - as MLflow calls it
        self,
        name: str,
        source: str,
        run_id: Any = None,
        tags: Any = None,
        run_link: Any = None,
        description: Any = None,
        local_model_path: Any = None,
        model_id: Any = None,
    ) -> Any:
        """Make a version, which is in no stage."""
        self._require_tags(name, None, tags, is_version=True)
        return super().create_model_version(
            name, source, run_id, tags, run_link, description, local_model_path, model_id
        )

    def set_model_version_tag(self, name: str, version: Any, tag: Any) -> None:
        """Tag a version; to say that it is in a stage, it has to be."""
        self._require_tags(name, _validate_model_version(version), [tag], is_version=True)
        super().set_model_version_tag(name, version, tag)

    def delete_model_version_tag(self, name: str, version: Any, key: str) -> None:
        """Remove a tag, but not the verification summary of what is in force."""
        subject = f"mlflow:{name}/{version}"
        with self._gate.refusing("promotion", subject):
            if key.startswith(VSA) and f"sha256:{key.removeprefix(VSA)}" in self._in_force(name):
                raise AdmissionError("the verification summary is in force", hint="promote another version first")
        super().delete_model_version_tag(name, version, key)

    # Names of models

    def rename_registered_model(self, name: str, new_name: str) -> Any:
        """Rename a model of which nothing is in a stage, to a name under which nothing was promoted."""
        with self.ManagedSessionMaker() as session:
            known = memory.of_model(session, name), memory.of_model(session, new_name)
            named = stages_of(self, session, name, self._gate.promotion)
        with self._gate.refusing("promotion", f"mlflow:{name}"):
            if any(known) or named:
                hint = "register the version under the new name, and promote it there"
                raise AdmissionError(f"something is, or was, promoted as {name!r} or {new_name!r}"[:300], hint=hint)
        return super().rename_registered_model(name, new_name)

    # What a name stands for

    def get_registered_model(self, name: str) -> Any:
        """Return a model; its tags show what was promoted last to each stage, for who promotes next."""
        model = super().get_registered_model(name)
        for standing_digest, stage in self._last(name):
            model._add_tag(RegisteredModelTag(f"{IN_FORCE}{stage}", standing_digest))  # noqa: SLF001
        return model

    def get_model_version_by_alias(self, name: str, alias: str) -> Any:
        """Return the version that an alias stands for, if that was promoted and still counts."""
        version = super().get_model_version_by_alias(name, alias)
        subject = f"mlflow:{name}@{alias}"
        is_latest = alias.lower() == "latest" and self._gate.promotion.stage(alias) is None
        with self._gate.refusing("model", subject):
            stage = None if is_latest else self._gate.stage(alias)
            if stage is None:
                vsa = self._require_free(name, int(version.version))
            else:
                vsa = self._require_standing(name, int(version.version), stage)
            self._gate.record("model", f"mlflow:{name}/{version.version}", "resolved", vsa)
        return version

    def get_latest_versions(self, name: str, stages: Any = None) -> Any:
        """Return the latest version of each stage of MLflow, if those were promoted and still count."""
        versions = super().get_latest_versions(name, stages)
        for version in versions:
            stage = self._gate.promotion.stage(version.current_stage)
            if stage is None:
                continue
            with self._gate.refusing("model", f"mlflow:{name}@{version.current_stage}"):
                vsa = self._require_standing(name, int(version.version), stage)
                self._gate.record("model", f"mlflow:{name}/{version.version}", "resolved", vsa)
        return versions

    def get_model_version_download_uri(self, name: str, version: Any) -> Any:
        """Return where a version lies, if nothing that is known of it is in quarantine."""
        uri = super().get_model_version_download_uri(name, version)
        with self._gate.refusing("model", f"mlflow:{name}/{version}"):
            last = self._require_free(name, int(version))
            self._gate.record("model", f"mlflow:{name}/{version}", "located", last)
        return uri

    # Artifacts

    def require_open(self, places: Sequence[str], above: str | None) -> None:
        """Refuse to change artifacts of a version that was promoted and is still there.

        Args:
            places: Addresses of what is changed, and of every folder that it is in.
            above: What is changed with everything below it.
        """
        with self._gate.refusing("promotion", places[-1]):
            with self.ManagedSessionMaker() as session:
                known = memory.versions_of(session, versions_at(session, places, above))
            if known:
                hint = "register what is new as another version; to remove these files, delete the version first"
                raise AdmissionError(f"these are artifacts of what was promoted, {known[-1].resource[:200]}", hint=hint)

    # How

    def _stage(self, name: str, called: str) -> Stage | None:
        with self._gate.refusing("promotion", f"mlflow:{name}@{called}"):
            return self._gate.stage(called)

    def _promote(self, name: str, version: int, stage: Stage, *, alias: str = "", mlflow_stage: str = "") -> None:
        uri = self._gate.uri(name, stage)
        with self.ManagedSessionMaker() as session:
            found = self._get_sql_model_version(session, name, version)
            candidate = Candidate(
                model=name,
                version=version,
                uri=found.storage_location or found.source or "",
                tags=summaries_of(session, found),
            )
            standing = memory.in_force(session, uri)
        with self._gate.refusing("promotion", uri):
            stamps = stamps_of(candidate.uri)
            promoted = self._gate.examine(candidate, stage, standing)
            inputs = tuple(str(one.digest) for one in promoted.vsa.inputs)
            self._gate.record("promotion", uri, "promoted", promoted.digest, inputs)
        move = Move(self, self._gate, stage, promoted, version, lambda: stamps_of(candidate.uri) == stamps)
        move.carry_out(alias, mlflow_stage)

    def _require_standing(self, name: str, version: int, stage: Stage) -> str:
        standing = self._standing(self._gate.uri(name, stage))
        self._gate.require_standing(standing, name, version, stage)
        assert standing is not None  # noqa: S101 - demanded above
        return standing.digest

    def _require_free(self, name: str, version: int) -> str | None:
        """Demand that nothing known of a version is in quarantine; return the digest of its last summary, if any."""
        with self.ManagedSessionMaker() as session:
            known = [one for one in memory.of_model(session, name) if one.version == version]
        for standing in known:
            self._gate.require_free(self._gate.vsa_of(standing), name)
        self._gate.require_free(None, name)
        return known[-1].digest if known else None

    def _standing(self, uri: str) -> memory.Standing | None:
        with self.ManagedSessionMaker() as session:
            return memory.in_force(session, uri)

    def _last(self, name: str) -> Sequence[tuple[str, str]]:
        """Return what was promoted last to each stage of a model, with the name of the stage."""
        with self.ManagedSessionMaker() as session:
            last = {one.resource: one.digest for one in memory.of_model(session, name)}
        stages = {self._gate.uri(name, stage): stage.name for stage in self._gate.promotion.stages}
        return [(digest, stages[uri]) for uri, digest in last.items() if uri in stages]

    def _in_force(self, name: str) -> Sequence[str]:
        return [digest for digest, _ in self._last(name)]

    def _require_tags(
        self, name: str, version: int | None, tags: Iterable[Any] | None, *, is_version: bool = False
    ) -> None:
        for tag in tags or ():
            subject = f"mlflow:{name}" if version is None else f"mlflow:{name}/{version}"
            with self._gate.refusing("promotion", f"{subject} tag {tag.key[:100]}"):
                self._require_tag(name, version, tag, is_version=is_version)

    def _require_tag(self, name: str, version: int | None, tag: Any, *, is_version: bool) -> None:
        if folded(tag.key).startswith(OURS):
            if not is_version or not tag.key.startswith(VSA):
                raise AdmissionError("only the server says what is in force", hint=f"attach summaries as {VSA}SHA-256")
            self._gate.require_signed(tag.key, tag.value)
            return
        for stage in stages_said(tag.key, tag.value, self._gate.promotion):
            if version is None or not self._is_in(name, version, stage):
                which = "this version" if is_version else "a registered model"
                hint = "promote it, or use a word that is no name of a stage"
                raise AdmissionError(f"the tag says {stage.name!r}, and {which} is not", hint=hint)

    def _is_in(self, name: str, version: int, stage: Stage) -> bool:
        with self.ManagedSessionMaker() as session:
            standing = memory.in_force(session, self._gate.uri(name, stage))
            is_last = standing is not None and standing.version == version
            return is_last and points_at(self, session, name, version, stage)


def _database(store_uri: str) -> str:
    """Return the address for SQLAlchemy; a driver that is not named is the one that is installed."""
    uri = store_uri.removeprefix(_SCHEME)
    if uri.startswith("postgresql://"):
        from importlib.util import find_spec

        driver = "psycopg2" if find_spec("psycopg2") else "psycopg"
        uri = f"postgresql+{driver}{uri.removeprefix('postgresql')}"
    return uri
