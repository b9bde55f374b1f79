"""The report about an incident as Markdown, for a ticket: names of others are shown literally."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from weighlock.output.incident.words import (
    CLOCKS,
    EVIDENCE_FOR,
    again,
    clock,
    how,
    measures,
    numbers,
    questions,
    sentence,
    verifying,
    when,
    window,
    word,
)
from weighlock.output.packages.markdown import literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from weighlock.incidents.timeline import Incident

_MOST_STEPS = 200
_PLAIN = re.compile(r"[A-Za-z0-9 :.,()/;?…-]{0,300}")
_MOST_DIGESTS = 50


def render(incident: Incident) -> str:
    """Return the report."""
    lines = [f"# Incident: {_shown(incident.subject)}: {word(incident)}", "", f"{_shown(sentence(incident))}.", ""]
    lines += [f"- reported {clock(incident.now)}{window(incident)}"]
    lines += [f"- is {one.kind}: {_shown(one.name)}" for one in incident.reach.meanings]
    lines += _gaps(incident)
    lines += ["", "## How long it took", "", *_table(("", ""), measures(incident))]
    lines += ["", "## Timeline", "", CLOCKS, "", *_steps(incident)]
    lines += _denials(incident)
    lines += ["", "## Questions for people", "", EVIDENCE_FOR, ""]
    lines += _table(("Question", "What is recorded", "Answer"), [(*one, "") for one in questions(incident)])
    lines += ["", "## What vouches for this", "", *_vouched(incident)]
    digests = incident.reach.digests
    if digests:
        lines += ["", "## Files that it stands for", "", *(f"- `{one}`" for one in digests[:_MOST_DIGESTS])]
        lines += [f"- and {len(digests) - _MOST_DIGESTS} more"] if len(digests) > _MOST_DIGESTS else []
    return "\n".join(lines) + "\n"


def _gaps(incident: Incident) -> Iterator[str]:
    if incident.gaps:
        yield from ("", "## What is not known", "")
    for one in incident.gaps:
        yield f"- **{_shown(one.place)}**: {_shown(one.why)}{f' Next: {_shown(one.remedy)}' if one.remedy else ''}"
    if incident.notes:
        yield ""
    yield from (f"- note: {_shown(note)}" for note in incident.notes)


def _steps(incident: Incident) -> Iterator[str]:
    rows = [
        (when(one), one.action, how(one), ", ".join(one.names), f"{one.user} on {one.host}", numbers(one))
        for one in incident.steps
    ]
    shown = rows if len(rows) <= _MOST_STEPS else [*rows[: _MOST_STEPS // 2], *rows[-_MOST_STEPS // 2 :]]
    yield from _table(("When", "What", "How", "Called", "Who", "Entries"), shown)
    if len(shown) < len(rows):
        yield from ("", f"{len(rows) - len(shown)} steps in the middle are left out; the JSON report has them.")


def _denials(incident: Incident) -> Iterator[str]:
    if not incident.denials:
        return
    yield from ("", "## Quarantine", "")
    rows = [
        (one.id, clock(one.time), one.reason, one.by, clock(one.released) or "no", clock(one.expires) or "never")
        for one in incident.denials
    ]
    yield from _table(("Entry", "When", "Why", "Who", "Released", "Ends"), rows)


def _vouched(incident: Incident) -> Iterator[str]:
    found = incident.ledger
    if found.problem:
        yield f"Nothing: {_shown(found.problem)}"
        return
    yield f"Every one of {found.sealed:,} entries was verified under this checkpoint, before this was written:"
    yield from ("", *_fenced(found.checkpoint), "", "The key of the ledger:", "", *_fenced(found.key), "")
    if incident.proofs:
        proved = ", ".join(f"{one.number} ({_shown(one.why)})" for one in incident.proofs)
        yield f"Entries with a proof of their own: {proved}."
        yield f"`{verifying(incident.proofs[0])}` verifies the first of them, without weighlock."
        yield ""
    yield from (f"- {_shown(command)}: {why}" for command, why in again(incident))


def _fenced(text: str) -> Iterator[str]:
    from weighlock.output.escape import printable

    yield from (f"    {printable(line)}" for line in text.splitlines())


def _shown(text: str) -> str:
    """Return a text as Markdown; where no character of it can be a mark, it stays readable as it is written."""
    links = "www" in text.lower() or "//" in text
    return text if _PLAIN.fullmatch(text) and not links else literal(text)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    yield from (f"| {' | '.join(map(_shown, row))} |" for row in rows)
