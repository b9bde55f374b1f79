"""Programs in other languages that a package brings: scripts for a shell, JavaScript runtimes, scripts for Windows.

## What it does

It names files of a wheel that another program than Python would run, by their names or by their first line. It
informs.

## Why it matters

They are read by nobody who reviews Python, and start with one call. A release that suddenly brings one is what
``new-in-release`` looks at.

## Known limits

It does not read what the scripts do. Web pages bring JavaScript for browsers, which cannot be told from other
JavaScript by its text.

## Sources

14 of 298 popular wheels have scripts for a shell, 6 for Windows. The report about lightning 2.6.2 (April 2026), whose
11 MB of JavaScript a runtime from the network executed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.finding import Finding, Location, Severity
from weighlock.formats.script import ForeignScript

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = ForeignScript


def run(script: ForeignScript) -> Iterator[Finding]:
    """Yield a finding for the script."""
    yield Finding(
        check="foreign-scripts",
        severity=Severity.INFO,
        message=f"it is a script for {script.language}",
        location=Location(members=(script.path,)),
    )
