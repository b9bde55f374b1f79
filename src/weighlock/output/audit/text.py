"""The audit for a terminal: what blocks comes last, where a person looks."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from weighlock.audit.item import Status
from weighlock.output.audit.words import parts, sentence, source_of
from weighlock.output.escape import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.audit.item import Item
    from weighlock.audit.verdict import Audit

_WIDTH = 100
_MARKS = {Status.PASS: "pass", Status.FAIL: "FAIL", Status.WAIVED: "waived", Status.NOT_ASSESSED: "open"}
_STYLES = {Status.PASS: "32", Status.FAIL: "1;31", Status.WAIVED: "35", Status.NOT_ASSESSED: "33"}
_LONGEST = 600


def render(audit: Audit, *, color: bool = False) -> str:
    """Return the audit as lines.

    Args:
        audit: What to show.
        color: Mark each status with colour as well.
    """
    facts = audit.facts
    lines = [f"audit     {_short(facts.model)}", f"source    {_short(source_of(facts.source))}"]
    lines += [f"digest    {facts.digest}"]
    for part, items in parts(audit):
        passed = sum(not item.blocks for item in items)
        lines += ["", f"{part.heading}: {passed} of {len(items)} need nothing more"]
        for item in items:
            lines += _item(item, color=color)
    lines += [f"note      {_short(note)}" for note in audit.notes]
    lines += ["", *_remedies(audit), f"{audit.verdict.decision}  {sentence(audit)}"]
    return "\n".join(lines) + "\n"


def _item(item: Item, *, color: bool) -> Iterator[str]:
    mark = f"{_MARKS[item.status]:<6}"
    shown = f"\x1b[{_STYLES[item.status]}m{mark}\x1b[0m" if color else mark
    optional = "" if item.required else " (optional)"
    yield f"  {shown}  {item.question.id}{optional}"
    told = item.question.text if item.question.assess is None and item.by is None else item.text
    yield from _wrapped(told)
    if item.by is not None and item.question.assess is None:
        yield from _wrapped(f"answered by {item.by} on {item.at}")
    elif item.status is Status.NOT_ASSESSED:
        yield from _wrapped(f"asked of: {item.question.owner}")
    if item.status is Status.WAIVED and item.waiver is not None:
        yield from _wrapped(f"waived until {item.waiver.expires} by {item.waiver.approver}: {item.waiver.reason}")
    for note in item.notes:
        yield from _wrapped(note)


def _remedies(audit: Audit) -> Iterator[str]:
    if any(item.blocks for item in audit.items):
        yield "hint      `weighlock audit MODEL --init` writes the open questions into audit.toml, for people to answer"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(
        _short(text), _WIDTH, initial_indent=" " * 10, subsequent_indent=" " * 10, break_on_hyphens=False
    )


def _short(text: str) -> str:
    shown = printable(text[: _LONGEST + 1])
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"
