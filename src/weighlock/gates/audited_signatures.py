"""Who signed an audited model: the lockfile that has its digests, or a bundle about the model itself.

Signatures count by the signers of the policy, and by nobody else's word; nothing is hashed again.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.audit.facts import SignatureFacts
from weighlock.errors import LockfileError, WeighlockError
from weighlock.files import read_lockfile_bytes, read_regular
from weighlock.gates.model_signature import require_locked
from weighlock.gates.signed_lockfile import signatures_beside, trust_of
from weighlock.signing.oms_bundle import file_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from weighlock.gates.project import Project
    from weighlock.lockfile import LockedModel, Lockfile
    from weighlock.signing.statement import Statement
    from weighlock.signing.trust import Trust
    from weighlock.signing.verification import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What came of the signatures.

    Args:
        signatures: Every one that was found.
        problem: Why they are not as many as the policy requires, where it requires any.
    """

    signatures: tuple[SignatureFacts, ...] = ()
    problem: str | None = None


def signatures_of(model: LockedModel, lockfile: Lockfile, project: Project, now: datetime) -> Signed:
    """Verify the signatures beside the lockfile.

    Args:
        model: Of the lockfile.
        lockfile: As it was read; a signature of other bytes counts for nothing.
        project: Its policy names the signers.
        now: The time, for certificates.
    """
    evidence = project.policy.evidence
    if not evidence.signers:
        return Signed()
    bundles, unreadable = bundles_of(model, project)
    try:
        data = same_bytes(lockfile, project)
        found = _tally(bundles, model, data, project, now)
    except WeighlockError as error:  # a key of the policy is missing or broken, or the lockfile was exchanged
        everything = tuple(_not_counted(name, data, str(error), undecided=True) for name, data in bundles)
        return Signed(signatures=(*everything, *unreadable), problem=str(error) if _requires(project) else None)
    contents = dict(bundles)
    counted = tuple(
        SignatureFacts(place=name, digest=str(one.bundle), signer=f"{one.signer}, {one.identity}", enough=found.reached)
        for name, one in found.counted
    )
    others = tuple(
        _not_counted(one.bundle, contents[one.bundle], one.why, undecided=one.undecided) for one in found.not_counted
    )
    short = None if found.reached else f"signed by {found.signers} of the {found.threshold} signers that it takes"
    return Signed(signatures=(*counted, *others, *unreadable), problem=short if _requires(project) else None)


def _requires(project: Project) -> bool:
    return project.policy.evidence.require_signature


def same_bytes(lockfile: Lockfile, project: Project) -> bytes:
    """Return the bytes of the lockfile that was read.

    Raises:
        LockfileError: There are others by now.
    """
    data = read_lockfile_bytes(project.lock)
    if f"sha256:{hashlib.sha256(data).hexdigest()}" != lockfile.digest:
        raise LockfileError("changed while the model was audited", where=str(project.lock), hint="run it again")
    return data


def _tally(bundles: list[tuple[str, bytes]], model: LockedModel, data: bytes, project: Project, now: datetime) -> Tally:
    return tally_of(bundles, model, data, trust_of(project.policy.evidence, project.policy_path), now)


def tally_of(
    bundles: Sequence[tuple[str, bytes]], model: LockedModel, data: bytes, trust: Trust, now: datetime
) -> Tally:
    """Count who signed a locked model: the lockfile that has its digests, or the model itself.

    Args:
        bundles: Name and bytes of each.
        model: Of the lockfile.
        data: The lockfile, all of it.
        trust: Whose signatures count, and how many it takes.
        now: The time, for certificates.
    """
    from weighlock.signing import oms
    from weighlock.signing.lockfile_statement import require_about
    from weighlock.signing.verification import tally

    def accept(statement: Statement) -> None:
        if statement.predicate_type == oms.PREDICATE:
            require_locked(oms.read_manifest(statement.to_bytes()), model)
        else:
            require_about(statement, data)

    return tally(bundles, trust, now=now, accept=accept)


def bundles_of(model: LockedModel, project: Project) -> tuple[list[tuple[str, bytes]], tuple[SignatureFacts, ...]]:
    """Return the bundles with their names, and what cannot be read of them."""
    from weighlock.signing.bundle import LARGEST

    own = os.path.join(project.folder, file_name(model.name))
    places = [*signatures_beside(project.lock, project.policy.evidence), *([own] if os.path.lexists(own) else [])]
    read, unreadable = [], []
    for place in places:
        name = os.path.basename(place)
        try:
            read.append((name, read_regular(place, LARGEST + 1)))
        except OSError as error:
            unreadable.append(SignatureFacts(place=name, digest="", problem=f"cannot be read: {error.strerror}"))
    return read, tuple(unreadable)


def _not_counted(name: str, data: bytes, why: str, *, undecided: bool) -> SignatureFacts:
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    return SignatureFacts(place=name, digest=digest, problem=why, undecided=undecided)
