"""The gate of ``weighlock approve-promotion``: a person agrees to exactly one move, and signs that.

1. collect: what would be promoted, and what is in force;
2. verify: whether who signs is an approver, and no author, so that nobody signs in vain;
3. sign: the resource, each file, the rules and what is replaced, until a day;
4. write the bundle beside the lockfile, and record that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from weighlock.errors import UsageError
from weighlock.files import write_atomically
from weighlock.gates.promoted import trust_in
from weighlock.gates.promotion.approved import folder_of, require_about
from weighlock.gates.promotion.case import open_case
from weighlock.gates.signatures import is_label
from weighlock.gates.signing import SUFFIX
from weighlock.promotion import Approval
from weighlock.promotion_policy import APPROVAL
from weighlock.signing.approval import read_approval, statement_of
from weighlock.signing.verification import verify_bundle

if TYPE_CHECKING:
    from pathlib import Path

    from weighlock.gates.places import Places
    from weighlock.gates.project import Project
    from weighlock.gates.promotion.case import Case, Request
    from weighlock.signing.interface import Signer
    from weighlock.signing.verification import Verified
    from weighlock.sources.interface import Progress

GATE = "promotion"
LONGEST = timedelta(days=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """An approval that was written.

    Args:
        case: What was approved.
        approval: What was signed.
        place: Of its bundle.
        digest: Of its bundle.
        who: The name that the policy gives to who signed.
    """

    case: Case
    approval: Approval
    place: Path
    digest: str
    who: str


def approve(
    request: Request,
    project: Project,
    places: Places,
    progress: Progress,
    signer: Signer,
    *,
    reason: str,
    lasts: timedelta,
) -> Approved:
    """Sign that a model may be promoted.

    Args:
        request: What, and where to.
        project: Its lockfile and its policy.
        places: Where models lie on this machine.
        progress: Is told nothing: no file is read, what is approved are digests.
        signer: Who approves.
        reason: Why, in their words.
        lasts: How long it counts.

    Raises:
        UsageError: The stage takes no approval, nothing says why, or who signs is no approver.
        WeighlockError: It cannot be signed or written.
    """
    # 1. Collect
    case = open_case(request, project, places, progress)
    if not case.stage.requires(APPROVAL):
        hint = f"weighlock promote {case.model.name} --to {case.stage.name} --key FILE"
        raise UsageError(f"the stage {case.stage.name} takes no approvals", where=request.stage[:100], hint=hint)
    if not timedelta(0) < lasts <= LONGEST:
        hint = f"write 7d, or at most {LONGEST.days}d"
        raise UsageError(f"is not between now and {LONGEST.days} days from now", where="--expires", hint=hint)
    if not reason.strip():
        raise UsageError("nothing says why", where="--reason", hint="it is signed, and others read it later")
    made = request.now.astimezone(UTC).replace(microsecond=0)
    approval = Approval(
        promotable=case.promotable,
        requirements=case.requirements,
        previous=case.previous,
        made=made,
        expires=made + lasts,
        reason=reason,
    )
    # 3. Sign, and 2. verify what was signed as the gate will
    bundle = signer.sign(statement_of(approval).to_bytes()).to_bytes()
    verified = _verified(bundle, case, signer)
    # 4. Write, and record
    folder = folder_of(case)
    folder.mkdir(parents=True, exist_ok=True)
    label = verified.signer if is_label(verified.signer) else verified.key.value[:16]
    place = folder / f"{label}{SUFFIX}"
    write_atomically(place, bundle)
    project.decider(GATE).record_document(str(place), str(verified.bundle), "approved")
    return Approved(case=case, approval=approval, place=place, digest=str(verified.bundle), who=verified.signer)


def _verified(bundle: bytes, case: Case, signer: Signer) -> Verified:
    project, stage = case.project, case.stage
    trust = trust_in(project.policy, project.policy_path, stage.approvers)
    from weighlock.errors import ForgedError

    try:
        verified = verify_bundle(bundle, trust.signers, now=datetime.now(UTC))
    except ForgedError as error:
        names = ", ".join(sorted({one.name for one in trust.signers}))
        raise UsageError(
            f"{signer.who} is no approver of {stage.name}; these are: {names}",
            where="the signing key",
            hint="use the key of one of them",
        ) from error
    require_about(read_approval(verified.statement), replace(case))
    return verified
