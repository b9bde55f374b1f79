"""Words and names that every report of an audit uses."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from weighlock.audit.item import Part, Status
from weighlock.audit.standards import STANDARDS, TITLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.audit.item import Item
    from weighlock.audit.verdict import Audit
    from weighlock.lockfile import ModelSource

ORDER = (Status.FAIL, Status.NOT_ASSESSED, Status.WAIVED, Status.PASS)
"""What a reader has to look at comes first."""

EVIDENCE_FOR = (
    "Each item is evidence for the identifiers beside it, never proof of compliance with any of them: "
    "a framework asks for more than a tool can see."
)


def sentence(audit: Audit) -> str:
    """Say in one sentence what the audit came to."""
    counts = {status: audit.count(status) for status in Status}
    parts = [f"{counts[status]} {_of(status, counts[status])}" for status in ORDER if counts[status]]
    return f"Of {len(audit.items)} items, {', '.join(parts)}."


def _of(status: Status, count: int) -> str:
    one = count == 1
    return {
        Status.PASS: "passes" if one else "pass",
        Status.FAIL: "fails" if one else "fail",
        Status.WAIVED: "is waived" if one else "are waived",
        Status.NOT_ASSESSED: "is not assessed" if one else "are not assessed",
    }[status]


def source_of(source: ModelSource | None) -> str:
    """Say where a model comes from."""
    if source is None:
        return "not in a lockfile"
    return source.shown


def mappings(audit: Audit) -> Iterator[tuple[str, str, str, tuple[Item, ...]]]:
    """Yield every identifier with its standard, its title and the items that are evidence for it."""
    for standard in STANDARDS:
        for identifier, (owner, title) in TITLES.items():
            items = tuple(item for item in audit.items if identifier in item.question.evidence_for)
            if owner == standard and items:
                yield standard, identifier, title, items


def reproduce(audit: Audit) -> tuple[tuple[str, str], ...]:
    """Return commands that show again what the report says, each with what it does."""
    model = quote(audit.facts.model)
    command = f"weighlock audit {model}{_packages_of(audit)}"
    steps = [
        (command, "answers every question again"),
        (f"{command} --format json --output audit.json", "the same for programs"),
    ]
    if audit.facts.source is not None:
        steps.insert(0, (f"weighlock verify {model} --deep", "hashes and inspects the files again"))
    else:
        steps.insert(0, (f"weighlock scan {model} --digests", "inspects the files again"))
    if audit.facts.ledger is not None:
        steps.append((f"weighlock ledger prove {audit.facts.ledger.index}", "writes the proof as a file of its own"))
    return tuple(steps)


def _packages_of(audit: Audit) -> str:
    """Return the options that name the same packages."""
    inputs = audit.facts.packages.inputs if audit.facts.packages else ()
    return "".join(" --env" if one.startswith("the environment") else f" -r {quote(one)}" for one in inputs)


def parts(audit: Audit) -> Iterator[tuple[Part, tuple[Item, ...]]]:
    """Yield the parts with their items."""
    return ((part, audit.of(part)) for part in Part)
