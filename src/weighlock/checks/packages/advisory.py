"""Advisories about a package: somebody published that this version has a vulnerability.

## What it does

It reports every advisory of the local OSV database, or of another source that was asked, that applies to exactly this
name and version, with its severity and the versions that are said to be fixed. Records under several names (``PYSEC``,
``CVE``, ``GHSA``) are one finding. It also reports what could not be found out: a source that could not be asked or is
too old, a record that is not understood, and one that names the package and no version. Where two sources were asked,
what either has counts, and what only the first has is told.

## Why it matters

A version with a known vulnerability is the easiest way in. `fail-on` of the policy says from which severity on an
advisory stands in the way; one of which nobody says how severe it is always does, since most records of PyPI's own
database carry no severity.

## Known limits

It knows what was published until the database was made: its age is in every report. Whether the vulnerable code is ever
called is not looked at; an advisory that does not matter is ignored in the policy, by its name, with a reason and an
end. A version whose spelling is not that of PEP 440 counts as affected wherever it may lie in a range. The severity is
that of the base metrics alone.

## Sources

The OSV schema, https://ossf.github.io/osv-schema/; FIRST, Common Vulnerability Scoring System 2.0, 3.0, 3.1 and 4.0;
``docs/advisories.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.advisory import Severity
from weighlock.finding import Finding, Outcome, listing
from weighlock.release import AdvisedRelease

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.advisory import Advisory

STRUCTURE = AdvisedRelease


def run(release: AdvisedRelease) -> Iterator[Finding]:
    """Yield a finding for each advisory, and one for what may hide more."""
    if release.problem is not None:
        yield Finding(check="advisory", severity=Severity.HIGH, message=release.problem, outcome=Outcome.UNVERIFIABLE)
    for advisory in release.advisories:
        if advisory.unclear:
            message = f"{advisory.id} names this package, and which versions cannot be told{_summary(advisory)}"
            yield _finding(advisory, message, Outcome.UNVERIFIABLE)
        elif not advisory.malware:
            yield _finding(advisory, _message(advisory), Outcome.NEEDS_APPROVAL)
    if release.unconfirmed:
        message = f"the second source that was asked does not have {listing(release.unconfirmed)}"
        yield Finding(check="advisory", severity=Severity.INFO, message=message)


def _finding(advisory: Advisory, message: str, outcome: Outcome) -> Finding:
    return Finding(check="advisory", severity=advisory.severity, message=message, outcome=outcome, advisory=advisory)


def _message(advisory: Advisory) -> str:
    severity = "of unknown severity" if advisory.severity is Severity.UNKNOWN else f"severity {advisory.severity}"
    fixed = f"fixed in {listing(advisory.fixed)}" if advisory.fixed else "no fixed version is known"
    source = "" if advisory.source == "osv" else f", says {advisory.source}"
    return f"{advisory.id} applies{source} ({severity}, {fixed}){_summary(advisory)}"


def _summary(advisory: Advisory) -> str:
    return f": {advisory.summary.rstrip('.')}" if advisory.summary else ""
