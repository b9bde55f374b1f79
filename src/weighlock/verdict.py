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
class Verdict:
    """The policy's answer about one artifact."""

    decision: Decision
    reasons: tuple[Reason, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether the artifact may pass."""
        return self.decision is Decision.ALLOW
