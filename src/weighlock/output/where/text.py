"""The reach for a terminal or a pipe: the answer first, then what to act on, and in the end what was looked at."""

from __future__ import annotations

import textwrap
from itertools import groupby
from typing import TYPE_CHECKING

from weighlock.incidents.counts import hosts
from weighlock.output.escape import inert, printable
from weighlock.output.where.words import (
    FOUND,
    NOWHERE,
    UNDECIDED,
    after_denial,
    amount,
    kind,
    moment,
    runs,
    sentence,
    source,
    standing,
    times,
    why,
    word,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from weighlock.incidents.reach import Access, Locked, Looked, Reach

_STYLES = {FOUND: "1;31", NOWHERE: "32", UNDECIDED: "1;33"}
_NARROWEST = 60
_MOST = 24
"""Rows of a section; JSON has all of them."""

_LONGEST = 4096
"""Characters of a line; no path is longer."""

_MOST_RUNS = 4
_DIGITS = 19
"""Characters of a digest that tell it from others: ``sha256:`` and twelve digits."""


def render(found: Reach, *, width: int = 80, color: bool = False) -> str:
    """Return the report.

    Args:
        found: What is known.
        width: Columns; sentences are wrapped to it, names and paths are not.
        color: Mark the answer with colour as well.
    """
    width = max(width, _NARROWEST)
    answer = word(found)
    lines = [f"{answer}  {_cut(found.subject, 200)}", *_wrapped(sentence(found), width)]
    lines += [
        f"  {'is' if one.known else 'not known as'} {kind(one.kind)}: {_cut(one.name, width - 20)}"
        for one in found.meanings
    ]
    sections = (
        ("Accesses", _accesses(found.accesses)),
        ("Promoted", _promoted(found)),
        ("Locked", _locked(found.locked)),
        ("Made from it", _derived(found)),
        ("In bills of materials", _listed(found)),
        ("Installed", (f"  {one.name} {one.version}  {one.place}" for one in found.installed)),
        ("Looked at", _looked(found.looked)),
    )
    for title, rows in sections:
        lines += _section(title, list(rows))
    for gap in found.gaps:
        lines += ["", *_wrapped(f"not looked at: {gap.place}: {gap.why}", width, "")]
        lines += [f"hint: {gap.remedy}"] if gap.remedy else []
    lines += [line for note in found.notes for line in ("", *_wrapped(f"note: {note}", width, ""))]
    safe = [inert(_cut(line, _LONGEST)) for line in lines]
    if color:
        safe[0] = safe[0].replace(answer, f"\x1b[{_STYLES[answer]}m{answer}\x1b[0m", 1)
    return "\n".join(safe) + "\n"


def _section(title: str, rows: Sequence[str]) -> list[str]:
    if not rows:
        return []
    rest = len(rows) - _MOST
    shown = rows if rest <= 1 else [*rows[:_MOST], f"  and {rest} more, see --format json"]
    return ["", title, *shown]


def _accesses(accesses: Iterable[Access]) -> Iterator[str]:
    late = after_denial(accesses)
    if late:
        yield f"  used {times(late)} although it had been denied before"
    for host, some in hosts(accesses):
        yield f"  {host or 'an unknown host'}"
        for one in some:
            what = " ".join(filter(None, (one.gate, one.loader))) + (" resting on it" if one.rests else "")
            made = ", of what was made from it" if one.derived else ""
            verdict = one.verdict if one.enforced or one.verdict == "ALLOW" else f"{one.verdict}, not enforced"
            yield f"    {one.user}  {what}  {verdict}, {times(one.count)}{made}"
            yield f"      {moment(one.first)} to {moment(one.last)}, entries {runs(one.entries, _MOST_RUNS, one.count)}"
            if one.after_denial:
                yield f"      {times(one.after_denial)} after it had been denied"


def _promoted(found: Reach) -> Iterator[str]:
    for one in found.promoted:
        told = why(one.why)
        when = f", {moment(one.time)}" if one.time else ""
        yield f"  {one.model} {one.version}  {standing(one)}{when}{f', {told}' if told else ''}"
        yield f"    {one.place}{f'  {one.statement[:_DIGITS]}' if one.statement else ''}"


def _locked(locked: Sequence[Locked]) -> Iterator[str]:
    for place, files in groupby(locked, key=lambda one: one.place):
        yield f"  {place}"
        for one in files:
            approved = f"  {amount(len(one.approved), 'approved import')}" if one.approved else ""
            yield f"    {one.model}  {one.path}  {one.digest[:_DIGITS]}{approved}"


def _derived(found: Reach) -> Iterator[str]:
    for one in found.derived:
        steps = "" if one.steps == 1 else f", {one.steps} steps away"
        yield f"  {one.name}  from {one.base}{steps}"
        yield f"    {one.place}"


def _listed(found: Reach) -> Iterator[str]:
    for place, rows in groupby(found.listed, key=lambda one: one.place):
        yield f"  {place}"
        for one in rows:
            told = why(one.why)
            inside = f" in {one.inside}" if one.inside else ""
            yield f"    {one.name} {one.version}".rstrip() + f"{inside}{f', {told}' if told else ''}"


def _looked(looked: Iterable[Looked]) -> Iterator[str]:
    for one in looked:
        state = "" if one.state == "read" else f" {one.state.upper()}"
        fresh = f", of {moment(one.fresh)}" if one.fresh else ""
        yield f"  {source(one.kind)}{state}: {one.place} ({one.told}{fresh})"


def _wrapped(text: str, width: int, indent: str = "  ") -> list[str]:
    return textwrap.wrap(
        printable(text[:_LONGEST]),
        width,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _cut(text: str, most: int) -> str:
    shown = printable(text[: most + 1])
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"
