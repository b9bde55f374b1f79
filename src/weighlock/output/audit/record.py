"""The record of answers as a person begins it: the open questions of a model, each ready to be filled in.

Everything that would answer or waive something is a comment until somebody takes the ``#`` away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.audit.item import Status
from weighlock.audit.record import VERSION
from weighlock.output.escape import printable
from weighlock.toml import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.audit.item import Item
    from weighlock.audit.verdict import Audit

_BEGINNING = """\
# Answers and waivers of people, for `weighlock audit`; docs/formats/audit.md describes every key.
audit-version = "{version}"

# Licences that models may have, as SPDX identifiers or names of the Hub.
# licenses = ["apache-2.0", "mit"]
"""


def beginning() -> str:
    """Return the top of a new record."""
    return _BEGINNING.format(version=VERSION) + "\n"


def questions(audit: Audit) -> str:
    """Return the table of a model with its open questions."""
    facts = audit.facts
    lines = ["[[models]]", f"name = {quoted(printable(facts.model))}"]
    lines += ["# The answers hold for these bytes only.", f"digest = {quoted(facts.digest)}"]
    for item in audit.items:
        if item.status is Status.NOT_ASSESSED and (item.question.assess is None or item.question.answerable):
            lines += ["", *_answer(item, facts.now.date().isoformat())]
        elif item.blocks and item.question.waivable:
            lines += ["", *_waiver(item, facts.now.date().isoformat())]
    return "\n".join(lines) + "\n"


def _answer(item: Item, today: str) -> Iterator[str]:
    yield from _heading(item)
    yield from (
        "# [[models.answers]]",
        f"# item = {quoted(item.question.id)}",
        '# answer = "pass"  # or "fail"',
        '# text = ""',
        '# by = ""',
        f"# at = {today}",
        '# evidence = ""  # a path beside this file, or a URL; leave it out where there is none',
        '# sha256 = ""  # of that file',
    )


def _waiver(item: Item, today: str) -> Iterator[str]:
    yield from _heading(item)
    yield f"# {item.status}: {printable(item.text[:300])}"
    yield from (
        "# [[models.waivers]]",
        f"# item = {quoted(item.question.id)}",
        '# reason = ""',
        '# by = ""',
        '# approver = ""  # somebody else',
        f"# at = {today}",
        f"# expires = {today}  # at most a year later",
    )


def _heading(item: Item) -> Iterator[str]:
    yield f"# {item.question.part.heading}, for {item.question.owner}: {item.question.text}"
