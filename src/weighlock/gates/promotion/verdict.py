"""The verdict on a promotion: every requirement met, and no engine of the policy against it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.gates.promotion.requirement import ENGINES, FAILS, OK, Requirement
from weighlock.verdict import Decision, Reason, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from weighlock.engines.interface import Question
    from weighlock.gates.deciding import Decider
    from weighlock.gates.promotion.case import Case


def decide(case: Case, requirements: Sequence[Requirement], decider: Decider) -> Verdict:
    """Return the verdict; engines are asked where everything else is met.

    Raises:
        PolicyError: An engine cannot be started at all.
    """
    missing = [one for one in requirements if not one.met]
    if missing:
        reasons = tuple(Reason(rule=one.kind, message=one.text, remedy=one.hint) for one in missing)
        return Verdict(decision=Decision.DENY, reasons=reasons)
    message = f"everything that {case.stage.name} requires was verified"
    allowed = Verdict(decision=Decision.ALLOW, reasons=(Reason(rule="promoted", message=message),))

    def question() -> Question:
        from weighlock.gates.questions import about_promotion

        return about_promotion(case.project.policy, asked_about(case, requirements), evidence_of(requirements))

    return decider.ask(allowed, question)


def asked_about(case: Case, requirements: Sequence[Requirement]) -> dict[str, object]:
    """Return what an engine sees of the promotion."""
    from weighlock.policy import digest_of_document

    resource = case.promotable.resource
    files = [{"path": path, "sha256": sha256} for path, sha256 in sorted(case.promotable.files.items())]
    signers = {one.kind: sorted(one.people) for one in requirements if one.people}
    return {
        "name": resource.uri,
        "digest": f"sha256:{digest_of_document({'files': files})}",
        "registry": resource.registry,
        "model": resource.model,
        "stage": resource.stage,
        "previous": case.previous,
        "requirements": case.requirements,
        "files": files,
        "signers": signers.get("signature", []),
        "approvers": signers.get("approval", []),
    }


def evidence_of(requirements: Sequence[Requirement]) -> list[dict[str, object]]:
    """Return what was verified, one row for each kind."""
    return [{"kind": one.kind, "inputs": [str(item.digest) for item in one.inputs]} for one in requirements if one.met]


def about_engines(verdict: Verdict, *, asked: bool) -> Requirement | None:
    """Return what the engines said, as one more requirement; ``None`` where the policy has none, or none was asked."""
    others = verdict.engines[1:]
    if not asked or not others:
        return None
    names = ", ".join(one.engine for one in others)
    if verdict.allowed:
        return Requirement(kind=ENGINES, status=OK, text=f"{names} allowed it")
    reason = verdict.reasons[0]
    return Requirement(kind=ENGINES, status=FAILS, text=f"{reason.rule}: {reason.message}", hint=reason.remedy)
