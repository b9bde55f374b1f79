"""The gate of ``weighlock promote``: a model moves from stage to stage only with proof.

1. collect: the lockfile, signed as the policy requires, the stage, the registry and what is in force there;
2. identify: every file on this disk is hashed, and compared with the lockfile;
3. inspect: those very bytes, under every loader that would take them;
4. verify: signatures, bill of materials, audit, the stage before, quarantine, approvals;
5. decide: everything is met, and no engine of the policy is against it;
6. record: the verification summary is signed, and the verdict is in the ledger before anything moves;
7. enforce: the bytes are kept, and the name moves, if what is in force is still what the summary replaces.

An intent lies on the disk between 6 and 7, so that whatever kills this process, the next run finishes what moved, and
takes back what did not (`weighlock.gates.promotion.intent`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from weighlock.errors import LockfileError
from weighlock.gates.audit import Request as AuditRequest
from weighlock.gates.audit import audit
from weighlock.gates.audited_files import see_locked
from weighlock.gates.promotion import approved, audited, before, bill, bytes_here, signed
from weighlock.gates.promotion.case import open_case
from weighlock.gates.promotion.intent import recover
from weighlock.gates.promotion.movement import Movement, move, person
from weighlock.gates.promotion.requirement import AFTER, QUARANTINE, REGISTRY, VERIFIER, Requirement, guarded
from weighlock.gates.promotion.verdict import about_engines, decide
from weighlock.gates.promotion.verifier import verified_by
from weighlock.promotion_policy import APPROVAL, AUDIT, BOM, LOCK, SIGNATURE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from weighlock.audit.facts import FileFacts
    from weighlock.audit.verdict import Audit
    from weighlock.gates.places import Places
    from weighlock.gates.project import Project
    from weighlock.gates.promotion.case import Case, Request
    from weighlock.promotion import Promoted
    from weighlock.signing.interface import Signer
    from weighlock.sources.interface import Progress
    from weighlock.verdict import Verdict

GATE = "promotion"


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """What came of a promotion, or of its rehearsal.

    Args:
        case: What was promoted where.
        requirements: Each with what came of it.
        verdict: Of all of them.
        promoted: The verification summary by which the name moved; ``None`` where it did not.
    """

    case: Case
    requirements: tuple[Requirement, ...]
    verdict: Verdict
    promoted: Promoted | None = None


def rehearse(request: Request, project: Project, places: Places, progress: Progress) -> Promotion:
    """Say what a promotion would come to; nothing is signed, recorded or moved.

    Raises:
        WeighlockError: What is promoted where cannot be told.
    """
    quiet = replace(project, recorder=None)
    case = open_case(request, quiet, places, progress)
    return _judged(case)


def promote(request: Request, project: Project, places: Places, progress: Progress, signer: Signer) -> Promotion:
    """Promote a model, if everything that its stage requires is met.

    Args:
        request: What, and where to.
        project: Its lockfile and its policy.
        places: Where models lie on this machine.
        progress: Is told what is hashed.
        signer: One of the policy's verifiers, see `weighlock.gates.promotion.verifier`.

    Raises:
        ForgedError: The registry refuses: something else was promoted meanwhile.
        LedgerError: The verdict cannot be recorded, and the policy requires that.
        WeighlockError: It cannot be decided, signed or moved.
    """
    # 1. Collect, to 5. decide
    recover(project, request.environ)
    case = open_case(request, project, places, progress)
    judged = _judged(case)
    if not judged.verdict.allowed:
        project.decider(GATE).record(case.promotable.resource.uri, judged.verdict, kind="promotion")
        return judged
    # 6. Record, and 7. enforce
    movement = Movement(
        project=project,
        environ=request.environ,
        registry=case.registry,
        promotable=case.promotable,
        requirements=case.requirements,
        previous=case.previous,
        inputs=(
            *(item for one in judged.requirements for item in one.inputs),
            *map(person, _people(judged.requirements)),
        ),
        model=case.model,
        version=case.version,
        documents=tuple(one.kept for one in judged.requirements if one.kept),
        verdict=judged.verdict,
        gate=GATE,
    )
    files = {file.path: places.file(case.model, file.path) for file in case.model.files}
    return replace(judged, promoted=move(movement, signer, case.verifiers, files=files))


def _judged(case: Case) -> Promotion:
    requirements = tuple(_requirements(case))
    decider = case.project.decider(GATE)
    try:
        verdict = decide(case, requirements, decider)
    finally:
        decider.close()
    engines = about_engines(verdict, asked=all(one.met for one in requirements))
    return Promotion(case=case, requirements=(*requirements, *((engines,) if engines else ())), verdict=verdict)


def _requirements(case: Case) -> list[Requirement]:
    """Return everything that the stage requires, each looked at whatever came of the others."""
    # 2. Identify, and 3. inspect: the audit does both, and nothing is read twice.
    stage, found = case.stage, _audit(case) if case.stage.requires(AUDIT) else None
    files, unlisted = _seen(case, found)
    looked = [
        guarded(VERIFIER, lambda: verified_by(case)),
        guarded(LOCK, lambda: bytes_here.locked(case, files, unlisted)),
        bytes_here.scanned(case, files),
    ]
    if (version := case.version) is not None:
        looked.append(guarded(REGISTRY, lambda: bytes_here.registered(case, version)))
    # 4. Verify
    if stage.requires(SIGNATURE):
        looked.append(guarded(SIGNATURE, lambda: signed.signed(case, signed.authors_of(case))))
    if stage.requires(BOM):
        looked.append(guarded(BOM, lambda: bill.described(case), where=str(bill.place_of(case))))
    if found is not None:
        audit_found = found
        looked.append(guarded(AUDIT, lambda: audited.audited(case, audit_found)))
    if (after := stage.after) is not None:
        looked.append(guarded(AFTER, lambda: before.staged(case, after)))
    if stage.requires(APPROVAL):
        looked.append(guarded(APPROVAL, lambda: approved.approved(case, signed.authors_of(case))))
    looked.append(guarded(QUARANTINE, lambda: before.free(case, _people(looked))))
    return looked


def _people(requirements: Sequence[Requirement]) -> tuple[str, ...]:
    """Return the names of everybody who counted, and what was verified of them."""
    return tuple(dict.fromkeys(mark for one in requirements for mark in (*one.people, *one.identities)))


def _audit(case: Case) -> Audit:
    request, project = case.request, replace(case.project, recorder=None)
    asked = AuditRequest(
        target=case.model.name,
        record=request.record,
        bom=request.bom,
        packages=request.packages,
        environ=request.environ,
        now=request.now,
    )
    found = audit(asked, project, case.places, case.progress)
    if found.facts.lock != case.lockfile.digest:
        raise LockfileError("changed while it was read", where=str(project.lock), hint="run it again")
    return found


def _seen(case: Case, found: Audit | None) -> tuple[Sequence[FileFacts], Sequence[str]]:
    if found is not None:
        return found.facts.files, found.facts.unlisted
    quiet = replace(case.project, recorder=None)
    seen = see_locked(case.model, case.lockfile, quiet, case.places, case.progress)
    return seen.files, seen.problems
