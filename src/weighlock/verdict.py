"""Verdicts: `ALLOW` or `DENY`, with reasons."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Decision(StrEnum):
    """The two values of a verdict."""

    ALLOW = "ALLOW"
    DENY = "DENY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a verdict is what it is.

    Args:
        rule: Name of the policy rule, such as ``not-in-lock``.
        message: One sentence without a full stop.
        remedy: The one command or line that would approve it on purpose.
    """

    rule: str
    message: str
    remedy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """Which engine answered by which policy.

    Args:
        engine: Its name, such as ``builtin`` or ``rego``.
        policy: Digest of all that it decided by, ``sha256:…``.
    """

    engine: str
    policy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The policy's answer about one artifact.

    Args:
        decision: Whether it may pass.
        reasons: Why.
        engines: Who was asked, the built-in policy first; empty before anybody stamped it.
    """

    decision: Decision
    reasons: tuple[Reason, ...] = ()
    engines: tuple[Stamp, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether the artifact may pass."""
        return self.decision is Decision.ALLOW
