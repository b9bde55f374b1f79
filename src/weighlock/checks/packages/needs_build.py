"""A requirement that nothing but a build can satisfy: an sdist, a folder, an editable, a version control URL.

## What it does

It reports every requirement that can be installed only by running code that came with it, before pip hears of it.

## Why it matters

Building runs the package's own build script with all rights of the user, before anybody looked at what comes out. Of
the malicious packages that were taken down from PyPI, nearly all came as sdists. pip builds whatever it has to, also
while it only resolves, and its ``--only-binary :all:`` leaves out paths, URLs, editables and what a requirements file
says otherwise.

## Known limits

What is built with ``allow-build`` runs in isolation, and is still code that somebody chose to run.

## Sources

PEP 517, PEP 660; https://pip.pypa.io/en/stable/cli/pip_install/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.finding import Finding, Outcome, Severity
from weighlock.release import BuildNeeded

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = BuildNeeded

_KINDS = {
    "vcs": "it is a checkout of a version control system",
    "folder": "it is a folder with source code",
    "sdist": "it is a source distribution",
    "url": "it is a URL of a file that is no wheel",
}


def run(needed: BuildNeeded) -> Iterator[Finding]:
    """Yield the finding."""
    what = _KINDS.get(needed.kind, "it is no wheel")
    how = " and installed as an editable" if needed.editable else ""
    yield Finding(
        check="needs-build",
        severity=Severity.HIGH,
        message=f"{what}, which runs its own code when it is built{how}",
        outcome=Outcome.REFUSED,
    )
