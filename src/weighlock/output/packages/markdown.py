"""Reports about packages as Markdown, for the summary of a build or a comment: what is refused, and what to do.

Source:
    GitHub Flavored Markdown, "Entity and numeric character references": such a reference never is a mark of structure.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from weighlock.output.escape import printable
from weighlock.output.packages.blame import blames, notes, place_of, told
from weighlock.output.packages.sentence import age_sentence, summary_sentence, upgrade_sentence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.gates.packages import Judged, PackageReport

_MOST_ROWS = 200
_LONGEST = 400
_MARKS = re.compile(r"[^\w \u00a0-\U0010ffff]|_|(?<=w)w(?=w)", re.ASCII)
"""All ASCII punctuation, and the middle of ``www``, which would begin a link."""


def render(report: PackageReport) -> str:
    """Return the report; a summary that would grow too large for its place is cut and says so."""
    denied = [item for item in report.judged if not item.verdict.allowed]
    noted = [item for item in report.judged if item.verdict.allowed and notes(item)]
    lines = [
        f"## weighlock {report.command}: {'refused' if denied else 'admitted'}",
        "",
        literal(summary_sentence(report)),
        "",
    ]
    if denied:
        rows = [row for item in denied for row in _rows(item)]
        lines += _table(("Refused", "Where", "Severity", "Why"), rows)
        lines += ["<details><summary>Approve on purpose</summary>", "", *_remedies(denied), "", "</details>", ""]
    if report.suggestions:
        lines += ["### Upgrades that clear advisories", "", *_upgrades(report), ""]
    if noted:
        rows = [_note(item, index) for item in noted for index in range(len(notes(item)))]
        lines += ["<details><summary>Noted, not refused</summary>", ""]
        lines += [*_table(("Package", "Where", "Severity", "What"), rows), "</details>", ""]
    lines += [f"- warning: {literal(warning)}" for warning in report.warnings]
    lines += [f"- {literal(age_sentence(status))}" for status in report.advisories]
    return "\n".join(lines).rstrip("\n") + "\n"


def literal(text: str) -> str:
    """Return Markdown that shows exactly this text: no mark, tag, link, mention or table cell of it counts."""
    shown = printable(text)
    cut = shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"
    return _MARKS.sub(_reference, cut)


def _reference(match: re.Match[str]) -> str:
    """Return a mark as a reference; where it could name a person or an issue, as code, in which it does not."""
    mark = f"&#{ord(match[0])};"
    return f"<code>{mark}</code>" if match[0] in "@#!" else mark


def _rows(item: Judged) -> Iterator[tuple[str, ...]]:
    for blame in blames(item):
        why = literal(f"{blame.reason.rule}: {blame.sentence}")
        yield (_code(item.title), _where(item), str(blame.severity), why)


def _note(item: Judged, index: int) -> tuple[str, ...]:
    finding = notes(item)[index]
    what = literal(f"{finding.check}: {told(finding)}{place_of(finding)}")
    return (_code(item.title), _where(item), str(finding.severity), what)


def _where(item: Judged) -> str:
    origin = item.origin
    if origin is None or origin.path is None:
        return ""
    return literal(origin.path if origin.line is None else f"{origin.path}:{origin.line}")


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows[:_MOST_ROWS]:
        yield f"| {' | '.join(row)} |"
    yield ""
    if len(rows) > _MOST_ROWS:
        yield f"and {len(rows) - _MOST_ROWS} more rows, see the report in another form"
        yield ""


def _remedies(denied: list[Judged]) -> Iterator[str]:
    remedies = dict.fromkeys(blame.reason.remedy for item in denied for blame in blames(item) if blame.reason.remedy)
    for remedy in list(remedies)[:_MOST_ROWS]:
        yield f"- {_code(remedy)}"


def _upgrades(report: PackageReport) -> Iterator[str]:
    for suggestion in report.suggestions:
        line = f": {_code(suggestion.line)}" if suggestion.line else ""
        yield f"- {literal(upgrade_sentence(suggestion))}{line}"


def _code(text: str) -> str:
    return f"<code>{literal(text)}</code>"
