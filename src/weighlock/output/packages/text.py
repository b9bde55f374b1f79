"""Reports about packages for people: what passes in one line each, then what does not, with the one step that approves.

They are understood without colour, and in a terminal of 40 columns.
"""

from __future__ import annotations

import textwrap
from dataclasses import replace
from typing import TYPE_CHECKING

from weighlock.gates.packages import JudgedPackage
from weighlock.output.escape import inert, printable
from weighlock.output.packages.blame import acceptances, blames, is_undecided, notes, place_of, told
from weighlock.output.packages.sentence import age_sentence, origin_text, summary_sentence, upgrade_sentence

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from weighlock.finding import Finding
    from weighlock.gates.packages import Judged, PackageReport, Suggestion
    from weighlock.output.packages.blame import Blame

_NARROWEST = 40
_LABEL = 10
_MOST = 8
_ALIKE = 4
"""So many items that are refused for the same reasons are told together."""

_STYLES = {"ALLOW": "32", "DENY": "1;31"}


def render(report: PackageReport, *, width: int = 100, color: bool = False, quiet: bool = False) -> str:
    """Return the report as lines for a terminal; refusals come last, where a person looks.

    Args:
        report: What was judged.
        width: Columns; explanations are wrapped to it, names and remedies are not.
        color: Mark the verdicts with colour as well.
        quiet: Leave out what passes without a word.
    """
    width = max(width, _NARROWEST)
    lines = list(_passed([item for item in report.judged if item.verdict.allowed], width, color=color, quiet=quiet))
    for items in _alike(sorted((item for item in report.judged if not item.verdict.allowed), key=_gravity)):
        if len(items) < _ALIKE:
            for item in items:
                lines += ["", *_denied(item, width, color=color)]
        else:
            lines += ["", *_denied_together(items, width, color=color)]
    if report.suggestions:
        lines += ["", "Upgrades that clear advisories", *_suggestions(report.suggestions, width)]
    lines += [""] * bool(lines)
    for warning in report.warnings:
        lines += _wrapped("warning: ", warning, width, "         ")
    for status in report.advisories:
        lines += _wrapped("", age_sentence(status), width, "  ")
    lines += _wrapped("", summary_sentence(report), width, "  ")
    return "\n".join(map(inert, lines)).lstrip("\n") + "\n"


def _gravity(item: Judged) -> tuple[bool, int, str]:
    """Sort what is known to be bad after what could not be decided, and the worst last."""
    return (not is_undecided(item), len(blames(item)), item.title)


def _passed(items: Sequence[Judged], width: int, *, color: bool, quiet: bool) -> Iterator[str]:
    names = [(printable(_name(item)), printable(_version(item))) for item in items]
    longest = max((len(name) for name, _ in names), default=0)
    column = longest if longest + 30 <= width else 0
    for item, (name, version) in zip(items, names, strict=True):
        seen, accepted = notes(item), acceptances(item)
        if quiet and not seen and not accepted:
            continue
        yield f"{_mark('ALLOW', color=color)}  {name:<{column}}  {version}".rstrip()
        yield from _notes(seen, width)
        for reason in accepted:
            yield from _field("accepted", reason.message, width)


def _denied(item: Judged, width: int, *, color: bool) -> Iterator[str]:
    yield f"{_mark('DENY', color=color)}   {printable(f'{_name(item)}  {_version(item)}'.rstrip())}"
    where = origin_text(item.origin)
    if where and isinstance(item, JudgedPackage):
        yield from _field(_label(item), where, width)
    against = blames(item)
    for blame in against[:_MOST]:
        yield from _blame(blame, width)
    if len(against) > _MOST:
        yield from _field("", f"and {len(against) - _MOST} more reasons, see --format json", width)
    yield from _notes(notes(item), width)
    yield from _remedies(item)


def _remedies(item: Judged) -> Iterator[str]:
    """Yield what approves an item on purpose; it is not wrapped, so that it can be copied."""
    for remedy in dict.fromkeys(blame.reason.remedy for blame in blames(item) if blame.reason.remedy):
        yield f"  {'approve':<{_LABEL}}{printable(remedy)}"


def _alike(items: Sequence[Judged]) -> Iterator[list[Judged]]:
    """Yield items together that are refused for the very same reasons, where the first of them would stand."""
    groups: dict[object, list[Judged]] = {}
    for item in items:
        key = (tuple((blame.reason.rule, blame.sentence) for blame in blames(item)), notes(item))
        groups.setdefault(key, []).append(item)
    yield from groups.values()


def _denied_together(items: Sequence[Judged], width: int, *, color: bool) -> Iterator[str]:
    """Say once why many are refused, and then what approves each."""
    yield f"{_mark('DENY', color=color)}   {len(items)} for the same reasons"
    for item in items:
        where = origin_text(replace(item.origin, text="") if item.origin else None)
        place = f", {where}" if where and isinstance(item, JudgedPackage) else ""
        yield f"  {printable(f'{_name(item)}  {_version(item)}'.rstrip())}{printable(place)}"
    for blame in blames(items[0])[:_MOST]:
        yield from _blame(blame, width)
    yield from _notes(notes(items[0]), width)
    for item in items:
        yield from _remedies(item)


def _label(item: JudgedPackage) -> str:
    """Say what the place of a package is to it: where it lies, where it was asked for, or what brings it."""
    if item.origin is not None and item.origin.line is None and not item.origin.text:
        return "in"
    return "asked in" if item.release.requested else "for"


def _blame(blame: Blame, width: int) -> Iterator[str]:
    label = "unknown" if blame.reason.rule == "unverifiable" else "found"
    finding = blame.finding
    text = f"{blame.reason.rule}: {blame.reason.message}" if finding is None else _finding(finding)
    yield from _field(label, text, width)


def _notes(findings: Sequence[Finding], width: int) -> Iterator[str]:
    for finding in findings[:_MOST]:
        yield from _field("note", _finding(finding), width)
    if len(findings) > _MOST:
        yield from _field("", f"and {len(findings) - _MOST} more notes, see --format json", width)


def _finding(finding: Finding) -> str:
    return f"{finding.severity} {finding.check}: {told(finding)}{place_of(finding)}"


def _suggestions(suggestions: Sequence[Suggestion], width: int) -> Iterator[str]:
    for suggestion in suggestions:
        yield from _wrapped("  ", upgrade_sentence(suggestion), width, "    ")
        if suggestion.line is not None:
            yield f"    {printable(suggestion.line)}"  # not wrapped, so that it can be copied


def _name(item: Judged) -> str:
    return item.release.artifact.name if isinstance(item, JudgedPackage) else item.path


def _version(item: Judged) -> str:
    return item.release.artifact.version if isinstance(item, JudgedPackage) else ""


def _field(label: str, text: str, width: int) -> Iterator[str]:
    start = f"  {label:<{_LABEL}}"
    yield from _wrapped(start, text, width, " " * len(start))


def _wrapped(first: str, text: str, width: int, rest: str) -> list[str]:
    return textwrap.wrap(
        printable(text), width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False
    ) or [first.rstrip()]


def _mark(decision: str, *, color: bool) -> str:
    return f"\x1b[{_STYLES[decision]}m{decision}\x1b[0m" if color else decision
