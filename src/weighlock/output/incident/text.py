"""The report about an incident for a terminal or a pipe."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from weighlock.output.escape import inert, printable
from weighlock.output.incident.words import (
    NOTHING,
    REPORTED,
    again,
    how,
    measures,
    numbers,
    questions,
    sentence,
    when,
    window,
    word,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.incidents.timeline import Incident

_MOST = 60
_LONGEST = 4096
_STYLES = {REPORTED: "32", NOTHING: "32"}


def render(incident: Incident, *, width: int = 80, color: bool = False) -> str:
    """Return the report.

    Args:
        incident: What is known.
        width: Columns.
        color: Mark the answer with colour as well.
    """
    answer = word(incident)
    lines = [f"{answer}  {incident.subject}", *_wrapped(sentence(incident), width), "", "How long it took"]
    lines += [line for name, value in measures(incident) for line in _wrapped(f"{name}: {value}", width)]
    lines += ["", f"Timeline{window(incident)}", *_steps(incident)]
    lines += ["", "Questions for people"]
    lines += [line for asked, facts in questions(incident) for line in _wrapped(f"{asked} {facts}", width)]
    lines += ["", "What vouches for this", *_vouched(incident)]
    for gap in incident.gaps:
        lines += ["", *_wrapped(f"not known: {gap.place}: {gap.why}", width, "")]
        lines += [f"hint: {gap.remedy}"] if gap.remedy else []
    lines += [line for note in incident.notes for line in ("", *_wrapped(f"note: {note}", width, ""))]
    safe = [inert(printable(line[:_LONGEST])) for line in lines]
    if color:
        safe[0] = safe[0].replace(answer, f"\x1b[{_STYLES.get(answer, '1;33')}m{answer}\x1b[0m", 1)
    return "\n".join(safe) + "\n"


def _steps(incident: Incident) -> Iterator[str]:
    for one in incident.steps[:_MOST]:
        yield f"  {when(one)}  {one.action.upper()}, entries {numbers(one)}"
        yield f"    {one.user} on {one.host or 'an unknown host'}: {how(one)}"
        yield f"    {', '.join(one.names)[:200]}"
    rest = len(incident.steps) - _MOST
    if rest > 0:
        yield f"  and {rest} more, see --format json"
    if not incident.steps:
        yield "  nothing"


def _vouched(incident: Incident) -> Iterator[str]:
    found = incident.ledger
    if found.problem:
        yield f"  nothing: {found.problem}"
        return
    yield f"  {found.sealed} entries, verified under this checkpoint:"
    yield from (f"    {line}" for line in found.checkpoint.splitlines())
    yield f"  key: {found.key}"
    yield from (f"  proof: entry {one.number}, {one.why}" for one in incident.proofs)
    yield from (f"  {command}" for command, _ in again(incident))


def _wrapped(text: str, width: int, indent: str = "  ") -> list[str]:
    return textwrap.wrap(
        printable(text[:_LONGEST]),
        max(width, 60),
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
