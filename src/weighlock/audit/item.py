"""Items: one question of the audit each, with the answer that it got."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from weighlock.finding import listing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from weighlock.audit.facts import Facts


_LONGEST_NAME = 200


class Part(StrEnum):
    """The four parts of the audit, in their order."""

    PROVENANCE = "provenance"
    SECURITY = "security"
    DEPENDENCIES = "dependencies"
    LEGAL = "legal"

    @property
    def heading(self) -> str:
        """What a report calls it."""
        return _HEADINGS[self]


_HEADINGS = {
    Part.PROVENANCE: "Provenance and trust",
    Part.SECURITY: "Security scan",
    Part.DEPENDENCIES: "Dependencies",
    Part.LEGAL: "Legal and use",
}


class Status(StrEnum):
    """What an item came to."""

    PASS = "pass"  # noqa: S105 - the word of the checklist
    FAIL = "fail"
    WAIVED = "waived"
    NOT_ASSESSED = "not assessed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What answers one question.

    Args:
        status: Never `Status.WAIVED`, which only a waiver makes.
        text: What was found, in sentences for people; may hold bytes of the artifact, escaped by `output`.
        evidence: Digests of what the answer rests on, ``sha256:…``.
    """

    status: Status
    text: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question of the audit, the same for every model.

    Args:
        id: Its name, with dashes.
        part: Where it belongs.
        text: What is asked.
        passes: What it takes to pass, for the documentation.
        owner: Which role answers for it.
        evidence_for: Identifiers of `weighlock.audit.standards`.
        assess: Answers it from facts; a question without is a person's to answer.
        required: A model does not pass while it is not assessed.
        waivable: A person may waive it.
        answerable: A person may answer where the machine could not.
    """

    id: str
    part: Part
    text: str
    passes: str
    owner: str
    evidence_for: tuple[str, ...] = ()
    assess: Callable[[Facts], Answer] | None = None
    required: bool = True
    waivable: bool = True
    answerable: bool = True

    @property
    def kind(self) -> str:
        """Whether a machine answers it (``auto``) or a person (``human``)."""
        return "human" if self.assess is None else "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """A person lets an item be, for a time.

    Args:
        item: Its id.
        reason: Why.
        by: Who asked for it.
        approver: Who granted it: somebody else.
        at: When.
        expires: The last day on which it holds (UTC).
    """

    item: str
    reason: str
    by: str
    approver: str
    at: date
    expires: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A question with its answer for one model.

    Args:
        question: What was asked.
        status: What it came to.
        text: Why.
        evidence: Digests of what that rests on.
        place: Where a person's evidence lies: a path or a URL.
        by: Who answered; ``weighlock`` where the machine did.
        at: When.
        waiver: That holds, or that once held.
        notes: What a reader has to know besides, such as an answer that does not count and why.
        required: A model does not pass while this is not assessed.
    """

    question: Question
    status: Status
    text: str
    evidence: tuple[str, ...] = ()
    place: str | None = None
    by: str | None = None
    at: date | None = None
    waiver: Waiver | None = None
    notes: tuple[str, ...] = ()
    required: bool = True

    @property
    def blocks(self) -> bool:
        """Whether the model cannot pass because of it."""
        return self.status is Status.FAIL or (self.required and self.status is Status.NOT_ASSESSED)


def named(names: Sequence[str], most: int = 5) -> str:
    """Return names for a sentence: the first ones, each as long as anybody reads, and how many more there are."""
    return listing([name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…" for name in names], most)


def passed(text: str, *evidence: str | None) -> Answer:
    """Return an answer that passes."""
    return Answer(status=Status.PASS, text=text, evidence=_known(evidence))


def failed(text: str, *evidence: str | None) -> Answer:
    """Return an answer that fails."""
    return Answer(status=Status.FAIL, text=text, evidence=_known(evidence))


def unknown(text: str, *evidence: str | None) -> Answer:
    """Return that nothing could be said, and why."""
    return Answer(status=Status.NOT_ASSESSED, text=text, evidence=_known(evidence))


def _known(digests: tuple[str | None, ...]) -> tuple[str, ...]:
    return tuple(digest for digest in digests if digest)
