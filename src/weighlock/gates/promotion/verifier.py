"""Whether who signs is a verifier of the policy: asked before anything else, since nobody else's summary counts."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from weighlock.errors import ForgedError, UsageError
from weighlock.gates.promotion.requirement import OK, VERIFIER, Requirement
from weighlock.signing.statement import Statement, Subject
from weighlock.signing.trust import TrustedKey
from weighlock.signing.verification import verify_bundle

if TYPE_CHECKING:
    from weighlock.gates.project import Project
    from weighlock.gates.promotion.case import Case
    from weighlock.signing.interface import Signer
    from weighlock.signing.public_key import PublicKey
    from weighlock.signing.trust import Trust

_TRIAL = "https://weighlock.dev/trial/v1"
"""A statement that says nothing, by which a certificate shows whose it is."""


def verified_by(case: Case) -> Requirement:
    """Return whose summary would count.

    Raises:
        PolicyError: Nobody's would.
    """
    names = ", ".join(sorted({one.name for one in case.verifiers.signers}))
    text = f"a summary counts that {names} signs"
    return Requirement(kind=VERIFIER, status=OK, text=text, where=case.project.policy_path or "")


def require_verifier(signer: Signer, public: PublicKey | None, trust: Trust, project: Project, *, logged: bool) -> None:
    """Demand that a signer is one of the policy's verifiers.

    Args:
        signer: Who is to sign.
        public: Their key, where they sign with a bare one.
        trust: The verifiers.
        project: Its policy names them.
        logged: What they sign is published, so that nothing is signed for a trial; it is found when they have signed.

    Raises:
        UsageError: They are not.
    """
    if public is not None:
        found = any(isinstance(one, TrustedKey) and one.key.digest == public.digest for one in trust.signers)
    else:
        found = logged or _is_trusted(signer, trust)
    if not found:
        names = ", ".join(sorted({one.name for one in trust.signers}))
        said = "promotion.verifiers" if project.policy.promotion.verifiers else "evidence.signers"
        raise UsageError(
            f"{signer.who} is no verifier of this policy, whose verifiers are {names}",
            where="the signing key",
            hint=f"use the key of one of them, or add its signer to tool.weighlock.{said}",
        )


def _is_trusted(signer: Signer, trust: Trust) -> bool:
    nothing = Statement(
        predicate_type=_TRIAL, subjects=(Subject.sha256("nothing", secrets.token_hex(32)),), predicate={}
    )
    try:
        verify_bundle(signer.sign(nothing.to_bytes()).to_bytes(), trust.signers, now=datetime.now(UTC))
    except ForgedError:
        return False
    return True
