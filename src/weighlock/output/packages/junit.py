"""Reports about packages as JUnit XML, for the test tabs of CI servers: a package is a test case.

Source:
    The format of Ant's JUnit task, as GitLab, Jenkins and GitHub's reporters read it: ``testsuites``, ``testsuite``,
    ``testcase`` with ``failure`` (refused) or ``error`` (could not be decided); XML 1.0 for which characters may stand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from weighlock.output.escape import printable
from weighlock.output.packages.blame import blames, is_undecided
from weighlock.output.packages.sentence import age_sentence, origin_text, summary_sentence, upgrade_sentence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.gates.packages import Judged, PackageReport


def render(report: PackageReport) -> str:
    """Return the report as one XML document."""
    denied = [item for item in report.judged if not item.verdict.allowed]
    errors = sum(is_undecided(item) for item in denied)
    name = f"weighlock {report.command}"
    counts = f'tests="{len(report.judged)}" failures="{len(denied) - errors}" errors="{errors}"'
    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    lines.append(f"<testsuites name={_attribute(name)} {counts}>")
    lines.append(f'  <testsuite name={_attribute(name)} {counts} skipped="0" time="0">')
    for item in report.judged:
        lines += _case(item)
    lines.append(f"    <system-out>{_text(_output(report))}</system-out>")
    lines += ["  </testsuite>", "</testsuites>"]
    return "\n".join(lines) + "\n"


def _case(item: Judged) -> Iterator[str]:
    origin = item.origin
    where = origin.path if origin and origin.path else "command line"
    start = (
        f'    <testcase classname={_attribute(where)} name={_attribute(item.title)} file={_attribute(where)} time="0"'
    )
    if item.verdict.allowed:
        yield f"{start}/>"
        return
    yield f"{start}>"
    element = "error" if is_undecided(item) else "failure"
    against = blames(item)
    first = f"{against[0].severity} {against[0].reason.rule}: {against[0].sentence}"
    lines = [origin_text(origin)] if origin_text(origin) else []
    lines += [f"{blame.severity} {blame.reason.rule}: {blame.sentence}" for blame in against]
    lines += [f"approve: {blame.reason.remedy}" for blame in against if blame.reason.remedy]
    body = _text("\n".join(map(printable, lines)))
    yield f"      <{element} type={_attribute(against[0].reason.rule)} message={_attribute(first)}>{body}</{element}>"
    yield "    </testcase>"


def _output(report: PackageReport) -> str:
    lines = [summary_sentence(report), *map(age_sentence, report.advisories)]
    lines += [f"warning: {warning}" for warning in report.warnings]
    lines += [f"upgrade: {upgrade_sentence(suggestion)}" for suggestion in report.suggestions]
    return "\n".join(map(printable, lines))


def _attribute(text: str) -> str:
    return quoteattr(printable(text)).replace("##", "&#35;&#35;")


def _text(text: str) -> str:
    """Escape text whose lines are printable; a line of it must not be a command to a log either."""
    lines = escape(text).replace("##", "&#35;&#35;").split("\n")
    return "\n".join(f"&#58;{line[1:]}" if line.startswith("::") else line for line in lines)
