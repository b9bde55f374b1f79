"""The case: everything that a promotion is decided about, collected once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from weighlock.errors import UsageError
from weighlock.gates.promoted import requirements_digest, resource_of, stage_of, trust_in
from weighlock.gates.promotion.registries import kind_of, named_in, open_registry
from weighlock.gates.request import path_name
from weighlock.promotion import Promotable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from weighlock.audit.facts import Packages
    from weighlock.gates.places import Places
    from weighlock.gates.project import Project
    from weighlock.lockfile import LockedModel, Lockfile
    from weighlock.promotion_policy import Stage
    from weighlock.promotions.interface import Registry, Standing
    from weighlock.signing.trust import Trust
    from weighlock.sources.interface import Progress


_SHOWN = 5
"""Names of locked models that a hint lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to be promoted.

    Args:
        model: Its name in the lockfile.
        stage: Where to.
        registry: One of `weighlock.promotion.REGISTRIES`; by default the one that the model comes from.
        bom: The bill of materials; by default the one beside the lockfile.
        record: The record of the audit; by default the one beside the lockfile.
        packages: That the model runs with, where they were judged.
        environ: The variables of the user.
        now: The time, with a time zone.
    """

    model: str
    stage: str
    registry: str | None = None
    bom: Path | None = None
    record: Path | None = None
    packages: Packages | None = None
    environ: Mapping[str, str]
    now: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is known before any evidence is looked at.

    Args:
        request: What was asked for.
        project: Its policy and its lockfile.
        places: Where models lie on this machine.
        progress: Is told what is hashed.
        lockfile: As it was read.
        model: Of the lockfile.
        stage: Of the policy.
        registry: In which the name is moved.
        version: Of the model there, where the registry has numbered it already.
        promotable: Exactly the locked files.
        requirements: Digest of what the stage requires.
        in_force: What it would replace.
    """

    request: Request
    project: Project
    places: Places
    progress: Progress
    lockfile: Lockfile
    model: LockedModel
    stage: Stage
    registry: Registry
    version: str | None
    promotable: Promotable
    requirements: str
    in_force: Standing | None

    @property
    def previous(self) -> str | None:
        """Digest of the summary that is in force."""
        return self.in_force.digest if self.in_force else None

    @property
    def verifiers(self) -> Trust:
        """Whose verification summaries count.

        Raises:
            PolicyError: Nobody's do.
        """
        return verifiers_of(self.project)


def verifiers_of(project: Project) -> Trust:
    """Return whose verification summaries count.

    Raises:
        PolicyError: Nobody's do.
    """
    return trust_in(project.policy, project.policy_path, project.policy.promotion.verifiers)


def named_model(text: str, lockfile: Lockfile, project: Project) -> LockedModel | None:
    """Return the locked model that is meant: by its name, or by a path as it is written where a person stands."""
    found = lockfile.by_name(text) or lockfile.by_name(f"./{text}")
    return found or lockfile.by_name(path_name(text, project.folder))


def open_case(request: Request, project: Project, places: Places, progress: Progress) -> Case:
    """Collect what a promotion is decided about.

    Raises:
        UsageError: There is no such model in the lockfile.
        LockfileError: The lockfile is missing or broken.
        AdmissionError: It is not signed as the policy requires.
        PolicyError: There is no such stage.
        SourceError: The registry cannot be read.
    """
    policy = project.policy
    stage = stage_of(policy, request.stage)
    lockfile = project.read(required=True)
    model = named_model(request.model, lockfile, project)
    if model is None:
        known = ", ".join(one.name for one in lockfile.models[:_SHOWN])
        hint = f"lock it first: `weighlock lock {request.model}`{f'; locked are: {known}' if known else ''}"
        raise UsageError("is not in the lockfile", where=request.model[:200], hint=hint)
    registry = open_registry(kind_of(request.registry, model), project, request.environ)
    name, version = named_in(registry.registry, model)
    resource = resource_of(policy, registry.registry, name, stage.name)
    return Case(
        request=request,
        project=project,
        places=places,
        progress=progress,
        lockfile=lockfile,
        model=model,
        stage=stage,
        registry=registry,
        version=version,
        promotable=Promotable(resource=resource, files={file.path: file.sha256 for file in model.files}),
        requirements=requirements_digest(policy, stage, project.policy_path),
        in_force=registry.in_force(resource),
    )
