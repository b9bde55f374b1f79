"""What is in the database of advisories, for people."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from weighlock.advisories.interface import days
from weighlock.output.escape import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def render(report: Mapping[str, Any]) -> str:
    """Return the report as text, the age first.

    Args:
        report: As ``weighlock advisories status --format json`` prints it.
    """
    return "\n".join(printable(line) for line in _lines(report)) + "\n"


def _lines(report: Mapping[str, Any]) -> Iterator[str]:
    age = report["age_seconds"]
    old = "unknown" if age is None else f"{days(timedelta(seconds=age))} old"
    yield f"advisories as of {_time(report['as_of'])} ({old})"
    yield f"  database   {report['path']}"
    yield f"  made       {_time(report['made'])}"
    withdrawn, unclear = report["withdrawn"], report["not_understood"]
    yield f"  records    {report['records']} about {report['packages']} packages, {report['malware']} report malware"
    yield f"  not used   {withdrawn} withdrawn, {unclear} not understood (their packages cannot be verified)"
    for origin in report["origins"]:
        yield f"  from       {origin['label']}"
        yield f"             {origin['records']} records, the newest of {_time(origin['newest'])}"
    if report["problem"]:
        yield f"  problem    {report['problem']}"
        yield "  hint       weighlock advisories update"
    elif report["warning"]:
        yield f"  warning    {report['warning']}"


def _time(text: str | None) -> str:
    return "an unknown time" if text is None else f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M} UTC"
