"""A release that is so young that nobody has looked at it yet.

## What it does

It compares the time at which the chosen file was uploaded, as the index that serves it says, with ``min-age`` of the
policy. A younger one is refused unless it fixes an advisory that the installed version has; one from the future is
refused always; one of which the index does not say when it came is not verifiable.

## Why it matters

Malicious releases of honest projects were found within hours to days: ultralytics 8.3.41, litellm 1.82.8, lightning
2.6.2. Who waits three days installs none of them.

## Known limits

The index is believed about the time. A file from a folder on this machine, or from an index in one, has no time of
upload, and is reported and not refused: whoever put it there decided. What was named by a URL or a path is judged by
`direct-url` instead. An index without upload times needs an acceptance for the projects that come from it.

## Sources

PEP 700 (``upload-time``); ``docs/policy.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.finding import Finding, Outcome, Severity
from weighlock.release import Candidate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from weighlock.release import Surroundings

STRUCTURE = Candidate


def run(candidate: Candidate) -> Iterator[Finding]:
    """Yield a finding where the release is too young, or nobody can say whether it is."""
    release, around = candidate.release, candidate.surroundings
    if release.direct is not None or not around.min_age:
        return
    listed = release.listed
    if listed is None:
        yield _finding("no index lists exactly this file, so nobody can say how old it is", Outcome.UNVERIFIABLE)
    elif listed.uploaded is None:
        yield _unknown(release.served_by.index if release.served_by else "", listed.url)
    elif listed.uploaded > around.now:
        when = listed.uploaded.isoformat(timespec="seconds")
        message = f"the index says that it was uploaded in the future, at {when}, or the clock of this machine is wrong"
        yield _finding(message, Outcome.REFUSED)
    elif around.now - listed.uploaded < around.min_age:
        yield _young(around.now - listed.uploaded, around)


def _young(age: timedelta, around: Surroundings) -> Finding:
    message = f"it was uploaded {_span(age)} ago, and the policy asks for {_span(around.min_age)}"
    if around.fixes_installed:
        message = f"{message}; it fixes an advisory that the installed version has"
        return _finding(message, Outcome.DATA_ONLY)
    return _finding(message, Outcome.REFUSED)


def _unknown(index: str, url: str) -> Finding:
    # A page of links on this machine can lead anywhere.
    if index.startswith("file:") and url.startswith("file:"):
        return _finding("it comes from a folder on this machine, which does not say how old it is", Outcome.DATA_ONLY)
    message = (
        f"{index} does not say when it was uploaded, so nobody can say how old it is; "
        "an acceptance with a pattern covers all that comes from there"
    )
    return _finding(message, Outcome.UNVERIFIABLE)


def _span(age: timedelta) -> str:
    hours = int(age.total_seconds() // 3600)
    if hours < 1:
        return "less than an hour"
    number, unit = (hours, "hour") if hours < 48 else (age.days, "day")
    return f"{number} {unit}{'' if number == 1 else 's'}"


def _finding(message: str, outcome: Outcome) -> Finding:
    severity = Severity.LOW if outcome is Outcome.DATA_ONLY else Severity.MEDIUM
    return Finding(check="release-age", severity=severity, message=message, outcome=outcome)
