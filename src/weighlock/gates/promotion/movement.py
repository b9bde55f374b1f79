"""The movement of a name in a registry: signed, recorded, moved, and whatever belongs to it, all or nothing."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from weighlock.artifact import Digest
from weighlock.errors import ForgedError
from weighlock.gates.promoted import require_move, verify_vsa
from weighlock.gates.promotion.before import require_free
from weighlock.gates.promotion.intent import Intent, alone, finish, forget, remember
from weighlock.gates.promotion.registries import open_store
from weighlock.ledger.spool import actor
from weighlock.lockfile import Lockfile
from weighlock.promotion import Input, Promotable, Promoted, Vsa
from weighlock.promotions.store import BuiltinStore, StoredFile
from weighlock.signing.vsa import statement_of
from weighlock.verdict import Decision, Reason, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from weighlock.gates.project import Project
    from weighlock.lockfile import LockedModel
    from weighlock.promotions.interface import Registry
    from weighlock.signing.interface import Signer
    from weighlock.signing.trust import Trust

ENTRY = "entry"
"""Kind of the input that is the entry of the lockfile, kept with the version."""

PERSON = "person"
"""Kind of the inputs that say who signed and who approved: names, and what was verified of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """What is to be moved, and why it may.

    Args:
        project: Its policy, its lockfile and its ledger.
        environ: The variables of the user.
        registry: In which a name moves.
        promotable: The name, and exactly the files that it shall lead to.
        requirements: Digest of what the stage requires.
        previous: Digest of the summary that is replaced.
        inputs: What it rests on.
        model: Its entry in the lockfile, which is kept with the version.
        version: In the registry; ``None`` where the built-in store is to give it a number.
        documents: Further documents to keep.
        verdict: Which is recorded.
        gate: ``promotion`` or ``rollback``.
        takes_entry: The lockfile of the project takes over the entry.
    """

    project: Project
    environ: Mapping[str, str]
    registry: Registry
    promotable: Promotable
    requirements: str
    previous: str | None
    inputs: tuple[Input, ...]
    model: LockedModel
    version: str | None
    documents: tuple[bytes, ...]
    verdict: Verdict
    gate: str
    takes_entry: bool = False


def move(movement: Movement, signer: Signer, verifiers: Trust, *, files: Mapping[str, Path] | None = None) -> Promoted:
    """Sign, record and move.

    Args:
        movement: What.
        signer: One of the verifiers.
        verifiers: Whose summaries count.
        files: Where each file lies, for a store that does not have it yet.

    Raises:
        ForgedError: The registry refuses, or the signer is no verifier.
        AdmissionError: The signer, or something of the model, is in quarantine.
        LedgerError: It cannot be recorded, and the policy requires that.
        WeighlockError: It cannot be signed, kept or moved.
    """
    project, promotable = movement.project, movement.promotable
    with alone(project, movement.environ) as place:
        entry = Lockfile(models=(movement.model,)).dumps({})
        version = _kept(movement, entry, files)
        vsa = _summary(movement, entry, version)
        bundle = signer.sign(statement_of(vsa).to_bytes()).to_bytes()
        promoted = verify_vsa(bundle, promotable, verifiers, now=datetime.now(UTC))
        require_move(promoted, project.policy, project.policy_path, in_force=movement.previous, now=datetime.now(UTC))
        marks = (promoted.verifier, promoted.identity)
        require_free(project, movement.environ, promotable.files.values(), movement.model, marks)
        intent = Intent(
            gate=movement.gate,
            resource=promotable.resource,
            digest=promoted.digest,
            entry=entry if movement.takes_entry else "",
            place=movement.registry.place,
        )
        remember(place, intent)
        _record(movement, promoted, movement.verdict)
        try:
            movement.registry.move(promoted)
        except ForgedError as error:
            refused = Reason(rule="registry", message=error.message)
            _record(movement, promoted, Verdict(decision=Decision.DENY, reasons=(refused,)))
            forget(place)
            raise
        finish(place, intent, project)
    return promoted


def person(mark: str) -> Input:
    """Return the input that names somebody who signed or approved, so that a rollback asks about them again."""
    return Input(kind=PERSON, name=mark, digest=Digest.sha256(hashlib.sha256(mark.encode()).hexdigest()))


def _kept(movement: Movement, entry: str, files: Mapping[str, Path] | None) -> str:
    """Keep the bytes and the documents, and return the version."""
    registry = movement.registry
    store = registry if isinstance(registry, BuiltinStore) else open_store(movement.project, movement.environ)
    for data in (entry.encode(), *movement.documents):
        store.blobs.put(hashlib.sha256(data).hexdigest(), io.BytesIO(data))
    if movement.version is not None:
        return movement.version
    listed = [
        StoredFile(path=one.path, sha256=one.sha256, size=one.size, format=one.format) for one in movement.model.files
    ]
    return store.add(movement.promotable.resource.model, listed, files or {})


def _summary(movement: Movement, entry: str, version: str) -> Vsa:
    digest = Digest.sha256(hashlib.sha256(entry.encode()).hexdigest())
    return Vsa(
        promotable=movement.promotable,
        version=version,
        requirements=movement.requirements,
        policy=movement.project.policy.stamp.policy,
        previous=movement.previous,
        made=datetime.now(UTC).replace(microsecond=0),
        inputs=(*movement.inputs, Input(kind=ENTRY, name=movement.model.name, digest=digest)),
        actor=actor(movement.environ),
    )


def _record(movement: Movement, promoted: Promoted, verdict: Verdict) -> None:
    movement.project.decider(movement.gate).record(
        movement.promotable.resource.uri,
        verdict,
        kind="promotion",
        digest=Digest.sha256(promoted.digest.removeprefix("sha256:")),
        evidence=tuple(str(one.digest) for one in promoted.vsa.inputs if one.kind != PERSON),
    )
