"""Files of an installed distribution that are not what its RECORD says.

## What it does

It compares every file that a distribution's RECORD lists with its size and digest there, and says which files differ,
are missing, lie outside of the environment, or have no digest. A distribution without a RECORD that can be read is
unverifiable. Files that Python obeys whenever it starts need an approval, unless their lines are known of that project.
It notes distributions whose code lies elsewhere (editable installs) or that came from a URL.

## Why it matters

An advisory is about a version. Files that somebody changed after the installation are of no version, and a backdoor put
into a package that is already there is found by nothing that reads version numbers.

## Known limits

RECORD lies beside the files: who changes both leaves no trace. Compiled files in ``__pycache__`` have no digest and are
not compared with their source. Packages of a Linux distribution often have no RECORD, or one that is older than their
files, and code of an editable install is not in the environment at all.

## Sources

"Recording installed projects" of packaging.python.org; PEP 376, PEP 610, PEP 627.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from weighlock.allowlist.startup import is_known
from weighlock.finding import Finding, Outcome, Severity, listing
from weighlock.formats.installed import InstalledDistribution, is_importable

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = InstalledDistribution

# What setuptools writes for an editable install.
_FINDER = re.compile(r"import (__editable___\w+_finder); \1\.install\(\)")


def run(installed: InstalledDistribution) -> Iterator[Finding]:
    """Yield what differs between a distribution and its RECORD."""
    if installed.problem:
        yield _finding(f"its files cannot be compared: {installed.problem}", Outcome.UNVERIFIABLE, Severity.MEDIUM)
    if installed.changed:
        yield _finding(f"files were changed after the installation: {listing(installed.changed)}")
    if installed.outside:
        yield _finding(f"RECORD lists files outside of the environment: {listing(installed.outside)}")
    yield from _undigested(installed)
    if installed.missing:
        message = f"files that RECORD lists are missing: {listing(installed.missing)}"
        yield _finding(message, Outcome.DATA_ONLY, Severity.LOW)
    if installed.editable is not None:
        message = f"its code lies in {installed.editable} (editable) and is not compared"
        yield _finding(message, Outcome.DATA_ONLY, Severity.LOW)
    if installed.direct is not None:
        message = f"it was installed from {installed.direct} and not by its name from an index"
        yield _finding(message, Outcome.DATA_ONLY, Severity.LOW)
    yield from _starting(installed)


def _undigested(installed: InstalledDistribution) -> Iterator[Finding]:
    """Yield files that could have been changed unseen: a question where Python could import them, else a note."""
    code = [path for path in installed.undigested if is_importable(path) and not path.startswith("..")]
    others = [path for path in installed.undigested if path not in code]
    if code:
        yield _finding(f"RECORD has no digest of {listing(code)}")
    if others:
        yield _finding(f"RECORD has no digest of {listing(others)}", Outcome.DATA_ONLY, Severity.LOW)


def _starting(installed: InstalledDistribution) -> Iterator[Finding]:
    """Yield what runs whenever Python starts: what is known of this project is worth a note, all else a question."""
    known = [path for path, lines in installed.starting if lines and all(_is_known(installed, line) for line in lines)]
    unknown = [path for path, _ in installed.starting if path not in known]
    if known:
        message = f"Python obeys files of it whenever it starts, which is known: {listing(known)}"
        yield _finding(message, Outcome.DATA_ONLY, Severity.LOW)
    if unknown:
        yield _finding(f"Python obeys files of it whenever it starts: {listing(unknown)}")


def _is_known(installed: InstalledDistribution, line: str) -> bool:
    return is_known(installed.name, line) or (installed.editable is not None and bool(_FINDER.fullmatch(line)))


def _finding(message: str, outcome: Outcome = Outcome.NEEDS_APPROVAL, severity: Severity = Severity.HIGH) -> Finding:
    return Finding(check="installed-files", severity=severity, message=message, outcome=outcome)
