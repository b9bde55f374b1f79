"""What an audit comes to: every question answered, by the machine or by the record, and the verdict of all of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from weighlock.audit.item import Answer, Item, Status
from weighlock.audit.parts import QUESTIONS
from weighlock.audit.record import Record
from weighlock.verdict import Decision, Reason, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from weighlock.audit.facts import Facts
    from weighlock.audit.item import Part, Question, Waiver
    from weighlock.audit.record import Answered, ModelRecord

MACHINE = "weighlock"
"""Who answered, where the machine did."""

_SKEW = timedelta(days=1)
"""Whoever answers may live east of Greenwich."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """A model with every item.

    Args:
        facts: What the answers rest on.
        items: One for each question, in the order of the questions.
        record: Digest of the record of answers, if there is one.
        notes: What a reader has to know about the whole.
    """

    facts: Facts
    items: tuple[Item, ...]
    record: str | None = None
    notes: tuple[str, ...] = ()

    def of(self, part: Part) -> tuple[Item, ...]:
        """Return the items of a part."""
        return tuple(item for item in self.items if item.question.part is part)

    def count(self, status: Status, part: Part | None = None) -> int:
        """Count the items that came to something, of all parts or of one."""
        return sum(item.status is status for item in (self.items if part is None else self.of(part)))

    @property
    def verdict(self) -> Verdict:
        """`ALLOW` where no item fails and every required one passes or is waived; else `DENY`, naming each."""
        blocking = [item for item in self.items if item.blocks]
        if blocking:
            return Verdict(decision=Decision.DENY, reasons=tuple(map(_reason, blocking)))
        message = "every required item passes or is waived, and none fails"
        return Verdict(decision=Decision.ALLOW, reasons=(Reason(rule="audited", message=message),))


def conclude(
    facts: Facts,
    record: Record | None = None,
    *,
    digest: str | None = None,
    stale: Mapping[str, str] | None = None,
) -> Audit:
    """Answer every question.

    Args:
        facts: What is known about the model; its `now` says which day it is.
        record: What people answered and waived.
        digest: Of the record.
        stale: Why the evidence of answers does not count, by item: it is missing, or has other bytes now.
    """
    record = record or Record()
    said, notes = _about(record.of(facts.model), facts)
    concluding = _Concluding(facts=facts, said=said, today=facts.now.astimezone(UTC).date(), stale=stale or {})
    items = tuple(replace(concluding.item(one), required=one.required or one.id in record.require) for one in QUESTIONS)
    return Audit(facts=facts, items=items, record=digest, notes=notes)


def _about(said: ModelRecord | None, facts: Facts) -> tuple[ModelRecord | None, tuple[str, ...]]:
    """Return what people said, if it is about these bytes: a model that changed has to be looked at again."""
    if said is None or said.digest == facts.digest:
        return said, ()
    count = len(said.answers) + len(said.waivers)
    return None, (
        f"the record has {count} answers and waivers for other bytes of it ({said.digest}); none of them counts",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Concluding:
    facts: Facts
    said: ModelRecord | None
    today: date
    stale: Mapping[str, str]

    def item(self, question: Question) -> Item:
        return self._waived(self._answered(question, self._machine(question)))

    def _machine(self, question: Question) -> Item:
        if question.assess is None:
            return Item(question=question, status=Status.NOT_ASSESSED, text="nobody answered yet")
        answer: Answer = question.assess(self.facts)
        known = answer.status is not Status.NOT_ASSESSED
        return Item(
            question=question,
            status=answer.status,
            text=answer.text,
            evidence=answer.evidence,
            by=MACHINE if known else None,
            at=self.today if known else None,
        )

    def _answered(self, question: Question, item: Item) -> Item:
        """Let a person answer what the machine could not. Against the machine a person can only say that it fails."""
        answer = next((one for one in self.said.answers if one.item == question.id), None) if self.said else None
        if answer is None:
            return item
        problem = self._problem(answer)
        if item.status is Status.NOT_ASSESSED and problem is not None:
            return replace(item, notes=(*item.notes, f"the answer of {answer.by} does not count: {problem}"))
        if item.status is Status.NOT_ASSESSED or (answer.status is Status.FAIL and item.status is Status.PASS):
            return replace(
                item,
                status=answer.status,
                text=answer.text,
                evidence=(*item.evidence, *((f"sha256:{answer.sha256}",) if answer.sha256 else ())),
                place=answer.place,
                by=answer.by,
                at=answer.at,
            )
        note = f"{answer.by} answered {answer.status} on {answer.at}; what the machine found counts"
        return replace(item, notes=(*item.notes, note))

    def _problem(self, answer: Answered) -> str | None:
        """Return why an answer does not count; that something is wrong counts until somebody says otherwise."""
        if answer.status is Status.FAIL:
            return None
        if answer.at > self.today + _SKEW:
            return f"it is from the future ({answer.at})"
        return self.stale.get(answer.item)

    def _waived(self, item: Item) -> Item:
        waiver = next((one for one in self.said.waivers if one.item == item.question.id), None) if self.said else None
        if waiver is None:
            return item
        problem = _problem_of_waiver(waiver, self.today)
        if item.status is Status.PASS:
            return replace(item, notes=(*item.notes, "there is a waiver for it that is not needed"))
        if problem is not None:
            return replace(item, waiver=waiver, notes=(*item.notes, f"its waiver does not count: {problem}"))
        note = f"without the waiver: {item.status}"
        return replace(item, status=Status.WAIVED, waiver=waiver, notes=(*item.notes, note))


def _problem_of_waiver(waiver: Waiver, today: date) -> str | None:
    if today > waiver.expires:
        return f"it expired on {waiver.expires}"
    if waiver.at > today + _SKEW:
        return f"it is from the future ({waiver.at})"
    return None


def _reason(item: Item) -> Reason:
    question = item.question
    if item.status is Status.FAIL:
        remedy = f'a [[models.waivers]] of "{question.id}" with an approver' if question.waivable else None
        return Reason(rule=question.id, message=item.text, remedy=remedy)
    if question.assess is None or question.answerable:
        remedy = f'a [[models.answers]] of "{question.id}" by {question.owner}'
    else:
        remedy = f'a [[models.waivers]] of "{question.id}" with an approver' if question.waivable else None
    return Reason(rule=question.id, message=f"not assessed: {item.text}", remedy=remedy)
