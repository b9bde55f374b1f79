"""The audit: every required item passes or is waived, for exactly these bytes; licence and bias among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.artifact import Digest
from weighlock.audit.item import Status
from weighlock.gates.audit import RECORD
from weighlock.gates.promotion.requirement import FAILS, MISSING, OK, Requirement
from weighlock.promotion import Input
from weighlock.promotion_policy import AUDIT

if TYPE_CHECKING:
    from weighlock.audit.verdict import Audit
    from weighlock.gates.promotion.case import Case

ALWAYS = ("licence-stated", "licence-allowed", "bias-report")
"""Items that a promotion takes, whatever the record of the audit requires."""


def audited(case: Case, found: Audit) -> Requirement:
    """Return whether the audit passes."""
    place = case.request.record or case.project.folder / RECORD
    blocking = [
        item
        for item in found.items
        if item.blocks or (item.question.id in ALWAYS and item.status is Status.NOT_ASSESSED)
    ]
    if blocking:
        said = ", ".join(f"{item.question.id} ({item.status})" for item in blocking[:6])
        more = f" and {len(blocking) - 6} more" if len(blocking) > 6 else ""
        first = next((note for item in blocking for note in item.notes), None) or next(iter(found.notes), None)
        status = FAILS if any(item.status is Status.FAIL for item in blocking) else MISSING
        begin = "" if found.record else " --init"
        hint = f"weighlock audit {case.model.name}{begin}, and answer what is open in {RECORD}"
        text = f"open: {said}{more}{f'; {first}' if first else ''}"
        return Requirement(kind=AUDIT, status=status, text=text, where=str(place), hint=hint)
    inputs: tuple[Input, ...] = ()
    if found.record is not None:
        digest = Digest.sha256(found.record.removeprefix("sha256:"))
        inputs = (Input(kind="audit", name=place.name, digest=digest),)
    waived = found.count(Status.WAIVED)
    text = f"every required item passes{f', {waived} by a waiver' if waived else ''}"
    return Requirement(kind=AUDIT, status=OK, text=text, where=str(place), inputs=inputs)
