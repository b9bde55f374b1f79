"""Signatures: enough different people signed the model, or the lockfile with its digests. They are its authors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.gates.audited_signatures import bundles_of, same_bytes, tally_of
from weighlock.gates.promoted import trust_in
from weighlock.gates.promotion.requirement import FAILS, MISSING, OK, Requirement
from weighlock.promotion import Input
from weighlock.promotion_policy import SIGNATURE

if TYPE_CHECKING:
    from weighlock.gates.promotion.case import Case
    from weighlock.signing.verification import Tally


def authors_of(case: Case) -> Tally:
    """Count who signed the model or the lockfile.

    Raises:
        PolicyError: Nobody is trusted, or too few to reach what the stage requires.
        LockfileError: The lockfile changed meanwhile.
    """
    project = case.project
    trust = trust_in(project.policy, project.policy_path, (), case.stage.signatures)
    bundles, _ = bundles_of(case.model, project)
    return tally_of(bundles, case.model, same_bytes(case.lockfile, project), trust, case.request.now)


def signed(case: Case, found: Tally) -> Requirement:
    """Return whether they are enough."""
    where, name = str(case.project.lock), case.project.lock.name
    people = tuple(sorted({one.signer for _, one in found.counted}))
    if found.reached:
        inputs = tuple(Input(kind="signature", name=bundle, digest=one.bundle) for bundle, one in found.counted)
        text = f"signed by {', '.join(people)}"
        identities = tuple(one.identity for _, one in found.counted)
        return Requirement(
            kind=SIGNATURE, status=OK, text=text, where=where, inputs=inputs, people=people, identities=identities
        )
    said = f"signed by {found.signers} of the {found.threshold} people that it takes"
    wrong = found.not_counted
    if wrong:
        said = f"{said}; {wrong[0].bundle}: {wrong[0].why}"
    beside = " --as NAME" if found.counted else ""
    hint = f"weighlock sign {name} --key FILE{beside}"
    return Requirement(kind=SIGNATURE, status=FAILS if wrong else MISSING, text=said, where=where, hint=hint)
