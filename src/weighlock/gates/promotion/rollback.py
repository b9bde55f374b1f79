"""The gate of ``weighlock rollback``: an earlier version is in force again, if it may be now.

1. collect: what was in force before, the newest first;
2. verify: its summary, by the verifiers of today and for its very stage;
3. identify: every byte of it is read again;
4. judge: quarantine, and what is known today about the packages of its bill of materials;
5. sign a new summary, which names the old one: the old one moved its resource once, and never does again;
6. move the name, the entry in the lockfile and the ledger together, see `weighlock.gates.promotion.movement`.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from weighlock.artifact import Digest
from weighlock.errors import AdmissionError, ForgedError, LockfileError, SourceError, WeighlockError
from weighlock.gates.promoted import requirements_digest, resource_of, stage_of, verify_vsa
from weighlock.gates.promotion.before import require_free
from weighlock.gates.promotion.bill import grave, require_no_denied_package
from weighlock.gates.promotion.case import named_model, verifiers_of
from weighlock.gates.promotion.intent import recover
from weighlock.gates.promotion.movement import ENTRY, PERSON, Movement, move
from weighlock.gates.promotion.registries import kind_of, named_in, open_registry, open_store
from weighlock.lockfile import Lockfile, PathSource, parse
from weighlock.promotion import BUILTIN, MLFLOW, OCI, Input, Promotable
from weighlock.promotion_policy import BOM
from weighlock.verdict import Decision, Reason, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from weighlock.gates.project import Project
    from weighlock.lockfile import LockedModel
    from weighlock.promotion import Promoted, Resource
    from weighlock.promotions.blobs import Blobs
    from weighlock.promotions.interface import Registry, Standing
    from weighlock.signing.interface import Signer

GATE = "rollback"
PREVIOUS = "previous"
_PREFIXES = {"oci:": OCI, "models:/": MLFLOW}
"""How models begin that come from a registry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to be rolled back.

    Args:
        model: Its name, as the lockfile and `weighlock lock` have it.
        to: A version, or `PREVIOUS` for the last one that may be in force now.
        stage: In which it is.
        registry: One of `weighlock.promotion.REGISTRIES`; by default the one that the model comes from.
        environ: The variables of the user.
        now: The time.
        restore: Write the files of a model that lies on a path back to their places.
    """

    model: str
    to: str = PREVIOUS
    stage: str = "production"
    registry: str | None = None
    environ: Mapping[str, str]
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    restore: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledBack:
    """What is in force again.

    Args:
        resource: The name.
        place: Of the registry, for people.
        promoted: The new summary.
        replaced: The version that was in force.
        passed: Versions that may not be in force now, and why.
        lockfile: Of the project.
        locked: It has the entry of that version again.
        restored: Files that were written back.
    """

    resource: Resource
    place: str
    promoted: Promoted
    replaced: str
    passed: tuple[tuple[str, str], ...]
    lockfile: str
    locked: bool
    restored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """An earlier version that may be in force now."""

    promoted: Promoted
    model: LockedModel
    inputs: tuple[Input, ...]


def roll_back(request: Request, project: Project, signer: Signer) -> RolledBack:
    """Bring an earlier version into force again.

    Args:
        request: Which.
        project: Its policy, its lockfile and its ledger.
        signer: One of the policy's verifiers.

    Raises:
        AdmissionError: There is no earlier version that may be in force now.
        ForgedError: Something else was promoted meanwhile.
        WeighlockError: It cannot be decided, signed or moved.
    """
    # 1. Collect
    recover(project, request.environ)
    policy = project.policy
    kind, name = _named(request, project)
    registry = open_registry(kind, project, request.environ)
    resource = resource_of(policy, registry.registry, name, request.stage)
    looking = _Looking(request=request, project=project, registry=registry, resource=resource)
    current, *earlier = registry.history(resource) or (None,)
    if current is None:
        hint = f"name a model and a --stage that was promoted; `weighlock where {request.model}` says where it is"
        raise AdmissionError("nothing was ever promoted there", where=f"{registry.place}: {resource.uri}", hint=hint)
    # 2. Verify, to 4. judge
    chosen, passed = looking.choose(current, earlier)
    # 5. Sign, and 6. move
    vsa = chosen.promoted.vsa
    message = f"version {vsa.version} was verified again, in place of {current.version}"
    movement = Movement(
        project=project,
        environ=request.environ,
        registry=registry,
        promotable=vsa.promotable,
        requirements=requirements_digest(policy, stage_of(policy, request.stage), project.policy_path),
        previous=current.digest,
        inputs=chosen.inputs,
        model=chosen.model,
        version=vsa.version,
        documents=(),
        verdict=Verdict(decision=Decision.ALLOW, reasons=(Reason(rule="rolled-back", message=message),)),
        gate=GATE,
        takes_entry=os.path.lexists(project.lock),
    )
    promoted = move(movement, signer, verifiers_of(project))
    restored = looking.restore(chosen.model) if request.restore else ()
    return RolledBack(
        resource=resource,
        place=registry.place,
        promoted=promoted,
        replaced=current.version,
        passed=tuple(passed),
        lockfile=str(project.lock),
        locked=movement.takes_entry,
        restored=restored,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looking:
    request: Request
    project: Project
    registry: Registry
    resource: Resource

    def choose(self, current: Standing, earlier: list[Standing]) -> tuple[_Candidate, list[tuple[str, str]]]:
        """Return the newest earlier version that may be in force now, and those that were passed over."""
        passed: list[tuple[str, str]] = []
        seen = {current.version}
        for standing in earlier:
            if standing.version in seen or self.request.to not in {PREVIOUS, standing.version}:
                continue
            try:
                return self._candidate(standing), passed
            except WeighlockError as error:
                if error.exit_code != 1 and not isinstance(error, SourceError):
                    raise
                passed.append((standing.version, error.message))
            # One summary of a version may be broken and an older one of it not.
        why = "; ".join(f"version {version}: {reason}" for version, reason in passed[:3])
        wanted = "there is no earlier version" if self.request.to == PREVIOUS else "there was no such earlier version"
        said = f"no earlier version may be in force now: {why}" if passed else wanted
        hint = "quarantine what is in force, and promote another version" if passed or not earlier else None
        raise AdmissionError(said, where=self.resource.uri, hint=hint)

    def _candidate(self, standing: Standing) -> _Candidate:
        if standing.bundle is None:
            raise ForgedError("the registry does not have its verification summary any more")
        # 3. Identify: whatever the summary says, the bytes are read.
        files = self.registry.files(self.resource.model, standing.version)
        # 2. Verify
        expected = Promotable(resource=self.resource, files=files)
        promoted = verify_vsa(standing.bundle, expected, verifiers_of(self.project), now=self.request.now)
        if (promoted.digest, promoted.vsa.version) != (standing.digest, standing.version):
            raise ForgedError("its verification summary is about another version")
        inputs = {one.kind: one for one in promoted.vsa.inputs}
        model = self._entry(inputs, promoted)
        # 4. Judge
        people = tuple(one for one in promoted.vsa.inputs if one.kind == PERSON)
        marks = (promoted.verifier, promoted.identity, *(one.name for one in people))
        require_free(self.project, self.request.environ, files.values(), model, marks)
        self._require_no_advisory(inputs)
        kept = tuple(inputs[kind] for kind in (BOM,) if kind in inputs)
        old = Input(kind=GATE, name=standing.version, digest=Digest.sha256(standing.digest.removeprefix("sha256:")))
        return _Candidate(promoted=promoted, model=model, inputs=(old, *kept, *people))

    def _entry(self, inputs: Mapping[str, Input], promoted: Promoted) -> LockedModel:
        if ENTRY not in inputs:
            raise ForgedError("its verification summary does not name the entry of the lockfile")
        (model,) = parse(_read(self._blobs, inputs[ENTRY]).decode()).models
        if {file.path: file.sha256 for file in model.files} != dict(promoted.vsa.promotable.files):
            raise ForgedError("the entry of the lockfile is about other files than its verification summary")
        return model

    def _require_no_advisory(self, inputs: Mapping[str, Input]) -> None:
        from weighlock.formats import bill

        if BOM not in inputs:
            return
        policy, stage = self.project.policy, stage_of(self.project.policy, self.resource.stage)
        inventory = bill.parse(_read(self._blobs, inputs[BOM]))
        require_no_denied_package(inventory, self.project, self.request.environ)
        found = next(grave(inventory, policy, stage, self.request.environ, self.request.now), None)
        if found is not None:
            raise ForgedError(f"its bill of materials: {found}")

    @property
    def _blobs(self) -> Blobs:
        return open_store(self.project, self.request.environ).blobs

    def restore(self, model: LockedModel) -> tuple[str, ...]:
        """Write the files of a model that lies on a path back to their places, each verified before it is in place."""
        from weighlock.gates.places import Places

        if not isinstance(model.source, PathSource):
            return ()
        places = Places(folder=self.project.folder)
        return tuple(str(_restored(self._blobs, file.sha256, places.file(model, file.path))) for file in model.files)


def _read(blobs: Blobs, one: Input) -> bytes:
    return b"".join(blobs.read(one.digest.value))


def _restored(blobs: Blobs, sha256: str, place: Path) -> Path:
    import tempfile

    from weighlock.files import unfinished_file_errors

    with unfinished_file_errors(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{place.name}.", suffix=".new", dir=place.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                for part in blobs.read(sha256):
                    file.write(part)
                os.fchmod(file.fileno(), 0o644)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, place)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
    return place


def _named(request: Request, project: Project) -> tuple[str, str]:
    """Return the registry, and what the model is called there."""
    model = request.model
    try:
        lockfile = project.unsafe_read()
    except LockfileError:  # a broken one is no reason not to go back
        lockfile = Lockfile()
    found = named_model(model, lockfile, project)
    if found is not None:
        kind = kind_of(request.registry, found)
        return kind, named_in(kind, found)[0]
    prefix, own = next((pair for pair in _PREFIXES.items() if model.startswith(pair[0])), ("", BUILTIN))
    kind = request.registry or own
    return kind, model if kind == BUILTIN else model.removeprefix(prefix)
