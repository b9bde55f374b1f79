"""What every policy engine is asked, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from weighlock.verdict import Stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked about one artifact; the built-in policy has allowed it.

    Args:
        document: The input document, as ``docs/formats/policy-input.md`` describes it: words in lower case, digests as
            ``sha256:…``, times as RFC 3339.
    """

    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an engine said.

    Args:
        allow: Whether the artifact may pass; whatever went wrong, this is false.
        stamp: The engine, and the digest of the policy that it answered by.
        reasons: Why, one sentence without a full stop each; may hold text of the policy's author.
        remedy: The one step that would approve it on purpose.
        reference: The name under which the engine's own log has this answer, where it keeps one.
    """

    allow: bool
    stamp: Stamp
    reasons: tuple[str, ...] = ()
    remedy: str | None = None
    reference: str | None = None


class Engine(Protocol):
    """Someone who judges after the built-in policy."""

    @property
    def name(self) -> str:
        """What verdicts and messages call it, such as ``rego``."""

    def evaluate(self, question: Question) -> Answer:
        """Answer. Undefined, an error, a timeout, an answer of another shape: all are denials with a reason."""

    def close(self) -> None:
        """End what was started for it."""
