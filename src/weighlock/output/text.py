"""Reports for people, understandable without colour: what passes in one line each, what does not with its reasons."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from weighlock.finding import Outcome, Severity
from weighlock.output.escape import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from weighlock.finding import Finding
    from weighlock.gates.scan import Judged, Report

_MOST_FINDINGS = 8
_NARROWEST = 40
_LABEL = 10
_STYLES = {"ALLOW": "32", "DENY": "1;31"}
_ORDER = (Outcome.NOT_A_MODEL, Outcome.DATA_ONLY, Outcome.NEEDS_APPROVAL, Outcome.UNVERIFIABLE, Outcome.REFUSED)
_APPROVALS = (
    "What you approve loads in guarded programs. `scan` asks no lockfile, so it goes on to say DENY; "
    "names of a `--profile` count here, too."
)
_GRAVE = {Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL}


def render(report: Report, *, width: int = 100, color: bool = False) -> str:
    """Return the report as lines for a terminal; refusals come last, where a person looks.

    Args:
        report: What was judged.
        width: Columns; explanations are wrapped to it, names are not.
        color: Mark the verdicts with colour as well.
    """
    width = max(width, _NARROWEST)
    passed = [item for item in report.judged if item.verdict.allowed]
    lines = list(_passed(passed, width, color=color))
    for outcome in _ORDER:
        for item in report.judged:
            if not item.verdict.allowed and item.inspection.outcome is outcome:
                lines += ["", *_denied(item, width, color=color)]
    if any(not item.verdict.allowed and item.inspection.outcome is Outcome.NEEDS_APPROVAL for item in report.judged):
        lines += ["", *textwrap.wrap(_APPROVALS, width, break_on_hyphens=False)]
    if lines:
        lines.append("")
    lines.append(_summary(report))
    return "\n".join(lines).lstrip("\n") + "\n"


def human_size(size: int) -> str:
    """Say how large something is, in the decimal units that the Hub uses."""
    if size < 1000:
        return f"{size} B"
    amount = float(size)
    for unit in ("kB", "MB", "GB"):
        amount /= 1000
        if amount < 999.5:
            return f"{amount:.3g} {unit}"
    return f"{amount / 1000:.3g} TB"


def _passed(items: list[Judged], width: int, *, color: bool) -> Iterator[str]:
    rows = [
        (printable(item.artifact.path), item.inspection.format or "", human_size(item.artifact.size)) for item in items
    ]
    longest = max((len(path) for path, _, _ in rows), default=0)
    column = longest if longest + 30 <= width else 0
    for item, (path, kind, size) in zip(items, rows, strict=True):
        what = f"{kind}, {size}" if item.inspection.outcome is Outcome.DATA_ONLY else f"{kind}, {size}, approved"
        yield f"{_mark('ALLOW', color=color)}  {path:<{column}}  {what}"
        for finding in item.inspection.findings:
            if finding.severity in _GRAVE:
                yield from _field("found", _finding(finding), width)


def _denied(item: Judged, width: int, *, color: bool) -> Iterator[str]:
    artifact, inspection = item.artifact, item.inspection
    yield f"{_mark('DENY', color=color)}   {printable(artifact.path)}"
    kind = inspection.format or "format not known"
    yield from _field("file", f"{kind}, {human_size(artifact.size)}, {inspection.outcome}", width)
    blamed = [finding for finding in inspection.findings if finding.outcome > Outcome.DATA_ONLY]
    said = set()
    for finding in blamed[:_MOST_FINDINGS]:
        said.add(finding.message)
        yield from _field("found", _finding(finding), width)
    if len(blamed) > _MOST_FINDINGS:
        yield from _field("", f"and {len(blamed) - _MOST_FINDINGS} more, see --format json", width)
    for reason in item.verdict.reasons:
        message = "as found above" if reason.message in said else reason.message
        yield from _field("rule", f"{reason.rule}: {message}", width)
    yield from _remedies(item)


def _remedies(item: Judged) -> Iterator[str]:
    """Yield the commands that approve the artifact on purpose; they are not wrapped, so that they can be copied."""
    for remedy in dict.fromkeys(reason.remedy for reason in item.verdict.reasons if reason.remedy):
        yield f"  {'approve':<{_LABEL}}{printable(remedy)}"


def _finding(finding: Finding) -> str:
    members, offset = finding.location.members, finding.location.offset
    where = [f"in {'!'.join(members)}"] if members else []
    where += [] if offset is None else [f"at byte {offset}"]
    return f"{finding.severity} {finding.check}: {finding.message}{_in_brackets(where)}"


def _in_brackets(words: list[str]) -> str:
    return f" ({', '.join(words)})" if words else ""


def _field(label: str, text: str, width: int) -> Iterable[str]:
    start = f"  {label:<{_LABEL}}"
    return textwrap.wrap(printable(text), width, initial_indent=start, subsequent_indent=" " * len(start))


def _mark(decision: str, *, color: bool) -> str:
    return f"\x1b[{_STYLES[decision]}m{decision}\x1b[0m" if color else decision


def _summary(report: Report) -> str:
    denied = [item.inspection.outcome for item in report.judged if not item.verdict.allowed]
    parts = [f"{len(report.judged) - len(denied)} ALLOW", f"{len(denied)} DENY"]
    kinds = [f"{denied.count(outcome)} {outcome}" for outcome in _ORDER if outcome in denied]
    if kinds:
        parts[-1] += f" ({', '.join(kinds)})"
    if report.not_models:
        parts.append(f"{report.not_models} that no loader would take")
    total = len(report.judged) + report.not_models
    text = f"{total} {'file' if total == 1 else 'files'}: {', '.join(parts)}"
    return f"{text}; {report.repeats} more that are other names of these" if report.repeats else text
