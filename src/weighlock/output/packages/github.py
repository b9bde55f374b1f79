"""Reports about packages as annotations: commands to the log of GitHub Actions, which show beside the line.

Source:
    GitHub, "Workflow commands for GitHub Actions"; what their toolkit escapes (``%``, CR and LF, and in properties
    ``:`` and ``,`` as well).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.finding import Severity
from weighlock.output.escape import inert, printable
from weighlock.output.packages.blame import blames, notes, place_of, rule_of, told
from weighlock.output.packages.sentence import age_sentence, summary_sentence, upgrade_sentence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.gates.packages import Judged, PackageReport

_LONGEST = 2000


def render(report: PackageReport) -> str:
    """Return one command a line, and the summary as a line that is none."""
    lines = [line for item in report.judged for line in _annotations(item)]
    lines += [_command("warning", warning) for warning in report.warnings]
    for suggestion in report.suggestions:
        origin = suggestion.origin
        text = upgrade_sentence(suggestion)
        lines.append(
            _command("notice", text, path=origin.path if origin else None, line=origin.line if origin else None)
        )
    lines += [inert(printable(age_sentence(status))) for status in report.advisories]
    lines.append(inert(printable(summary_sentence(report))))
    return "\n".join(lines) + "\n"


def _annotations(item: Judged) -> Iterator[str]:
    origin = item.origin
    path, line = (origin.path, origin.line) if origin else (None, None)
    for blame in blames(item):
        remedy = f"; to approve it on purpose: {blame.reason.remedy}" if blame.reason.remedy else ""
        text = f"{item.title}: {blame.sentence}{remedy}"
        yield _command("error", text, path=path, line=line, title=f"weighlock: {blame.rule}")
    for finding in notes(item):
        if finding.advisory is not None or finding.severity is not Severity.LOW:
            text = f"{item.title}: {told(finding)}{place_of(finding)}"
            yield _command("notice", text, path=path, line=line, title=f"weighlock: {rule_of(finding)}")


def _command(
    name: str, message: str, *, path: str | None = None, line: int | None = None, title: str | None = None
) -> str:
    properties = {"file": path, "line": None if line is None or path is None else str(line), "title": title}
    given = ",".join(f"{key}={_property(value)}" for key, value in properties.items() if value)
    return f"::{name}{' ' if given else ''}{given}::{_data(message)}"


def _data(text: str) -> str:
    """Escape a message. `printable` leaves no line break; the percent sign would be read as an escape."""
    return (
        printable(text)[:_LONGEST].replace("##", "#\\x23").replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    )


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
