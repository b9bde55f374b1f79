"""Signatures: enough different people signed the model, or the lockfile with its digests. They are its authors."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from weighlock.gates.audited_signatures import bundles_of, same_bytes, tally_of
from weighlock.gates.promoted import trust_in
from weighlock.gates.promotion.requirement import FAILS, MISSING, OK, Requirement
from weighlock.promotion import Input
from weighlock.promotion_policy import SIGNATURE
from weighlock.signing import oms
from weighlock.signing.trust import people, person_mark
from weighlock.signing.verification import NotCounted

if TYPE_CHECKING:
    from weighlock.gates.promotion.case import Case
    from weighlock.lockfile import LockedModel
    from weighlock.signing.verification import Tally


def authors_of(case: Case) -> Tally:
    """Count who signed the model or the lockfile: all of them are authors.

    Raises:
        PolicyError: Nobody is trusted, or too few to reach what the stage requires.
        LockfileError: The lockfile changed meanwhile.
    """
    project = case.project
    trust = trust_in(project.policy, project.policy_path, (), case.stage.signatures)
    bundles, _ = bundles_of(case.model, project)
    return tally_of(bundles, case.model, same_bytes(case.lockfile, project), trust, case.request.now)


def vouching_for(case: Case, authors: Tally) -> Tally:
    """Count those who vouch for everything that the lockfile says of the model.

    Who signed the model alone vouches for its bytes, and not for the names that its entry approves.
    """
    if not _approves(case.model):
        return authors
    about = [one for one in authors.counted if one[1].statement.predicate_type != oms.PREDICATE]
    alone = [one for one in authors.counted if one not in about]
    marks = _people_of(case, authors)
    why = "signs the files of the model, and not what models.lock approves of them"
    others = tuple(NotCounted(bundle=name, why=why) for name, _ in alone)
    return replace(
        authors,
        counted=tuple(about),
        not_counted=(*others, *authors.not_counted),
        signers=len({marks[person_mark(one.signer)] for _, one in about}),
    )


def _approves(model: LockedModel) -> bool:
    return model.remote_code or any(file.approved or file.unsafe for file in model.files)


def _people_of(case: Case, found: Tally) -> dict[str, str]:
    """Tell persons apart over everybody whom the policy knows, see `weighlock.signing.trust.people`."""
    everybody = trust_in(case.project.policy, case.project.policy_path, ())
    return people(everybody.signers, tuple((one.signer, f"key {one.key}") for _, one in found.counted))


def signed(case: Case, authors: Tally) -> Requirement:
    """Return whether they are enough.

    Args:
        case: What is promoted.
        authors: Who signed.
    """
    found = vouching_for(case, authors)
    where, name = str(case.project.lock), case.project.lock.name
    who = tuple(sorted({one.signer for _, one in found.counted}))
    if found.reached:
        inputs = tuple(Input(kind="signature", name=bundle, digest=one.bundle) for bundle, one in found.counted)
        text = f"signed by {', '.join(who)}"
        identities = tuple(one.identity for _, one in found.counted)
        return Requirement(
            kind=SIGNATURE, status=OK, text=text, where=where, inputs=inputs, people=who, identities=identities
        )
    said = f"signed by {found.signers} of the {found.threshold} people that it takes"
    wrong = found.not_counted
    if wrong:
        said = f"{said}; {wrong[0].bundle}: {wrong[0].why}"
    beside = " --as NAME" if found.counted else ""
    hint = f"weighlock sign {name} --key FILE{beside}"
    return Requirement(kind=SIGNATURE, status=FAILS if wrong else MISSING, text=said, where=where, hint=hint)
