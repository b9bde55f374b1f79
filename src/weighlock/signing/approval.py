"""Approvals: a person agrees that exactly these files take the place of what is in force now.

Source:
    ``docs/promotion.md``; in-toto Attestation Framework, spec/v1/statement.md.
"""

from __future__ import annotations

from weighlock.errors import ForgedError
from weighlock.promotion import Approval
from weighlock.signing.promotion_fields import (
    read_digest,
    read_previous,
    read_promotable,
    read_time,
    subjects_of,
    time_text,
)
from weighlock.signing.statement import Statement
from weighlock.signing.strict_json import fields, text

PREDICATE = "https://weighlock.dev/approval/v1"

_MEMBERS = ("resource", "requirements", "previous", "made", "expires", "reason")


def statement_of(approval: Approval) -> Statement:
    """Return the statement that an approver signs.

    Raises:
        ForgedError: It is about no file.
    """
    predicate = {
        "resource": approval.promotable.resource.uri,
        "requirements": approval.requirements,
        "previous": approval.previous,
        "made": time_text(approval.made),
        "expires": time_text(approval.expires),
        "reason": approval.reason,
    }
    return Statement(predicate_type=PREDICATE, subjects=subjects_of(approval.promotable), predicate=predicate)


def read_approval(statement: Statement) -> Approval:
    """Read the approval that a statement is; who signed it was verified before.

    Raises:
        ForgedError: It is none.
    """
    if statement.predicate_type != PREDICATE:
        raise ForgedError(f"approves nothing, but is {statement.predicate_type[:80]!r}")
    where = "statement.predicate"
    said = fields(dict(statement.predicate), where, required=_MEMBERS)
    return Approval(
        promotable=read_promotable(statement, said["resource"], f"{where}.resource"),
        requirements=read_digest(said["requirements"], f"{where}.requirements"),
        previous=read_previous(said["previous"], f"{where}.previous"),
        made=read_time(said["made"], f"{where}.made"),
        expires=read_time(said["expires"], f"{where}.expires"),
        reason=text(said["reason"], f"{where}.reason"),
    )
