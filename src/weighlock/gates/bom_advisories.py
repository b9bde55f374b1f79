"""Advisories about the packages of a bill of materials, with what the policy decided about each (VEX).

A decision is taken for no more than what its author wrote. An advisory that the policy ignores is not one that does
not apply: unless the reason says so, in the words below, the document says that the risk was accepted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.advisories.advice import advise
from weighlock.artifact import PackageFile
from weighlock.bom.names import below
from weighlock.bom.values import Analysis, Vulnerability
from weighlock.errors import AdvisoryError
from weighlock.finding import listing
from weighlock.gates.advisory_database import open_database
from weighlock.sources.interface import Silence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from weighlock.advisory import Advisory
    from weighlock.gates.bom_packages import Package
    from weighlock.install_policy import IgnoredAdvisory, InstallPolicy

JUSTIFICATIONS = (
    "code_not_present",
    "code_not_reachable",
    "requires_configuration",
    "requires_dependency",
    "requires_environment",
    "protected_by_compiler",
    "protected_at_runtime",
    "protected_at_perimeter",
    "protected_by_mitigating_control",
)
"""Words of CycloneDX with which a reason in ``ignore-advisories`` may begin: the package is not affected."""

_JUSTIFIED = re.compile(rf"({'|'.join(JUSTIFICATIONS)}|not_affected)\b[:,. ]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Advised:
    """What advisories say.

    Args:
        vulnerabilities: Sorted.
        state: Which database said so and how old it is, or why nothing is known, for the document.
        known: The database could be asked.
        problem: Why not, for people.
    """

    vulnerabilities: tuple[Vulnerability, ...] = ()
    state: str = ""
    known: bool = False
    problem: str | None = None


def advised(packages: Sequence[Package], policy: InstallPolicy, environ: Mapping[str, str], now: datetime) -> Advised:
    """Ask the local database about every package that has a version. No network.

    Args:
        packages: Of the document.
        policy: Says which advisories are ignored, and how old the database may be.
        environ: Says where it lies.
        now: The time, with a time zone.
    """
    asked = [one for one in packages if one.version]
    try:
        with open_database(
            environ, most=policy.advisory_max_age, offline=True, now=now, progress=Silence()
        ) as database:
            files = [PackageFile(name=one.name, version=one.version, filename="") for one in asked]
            advice = advise(database, files, now=now, most=policy.advisory_max_age)
    except AdvisoryError as error:
        # How old a database is, and where, differs from day to day and machine to machine: a person is told.
        return Advised(state="unknown: no database that can be relied on was there", problem=error.message)
    found = [
        _entry(one, advisory, policy.ignore_advisories, now.date())
        for one, release in zip(asked, advice.releases, strict=True)
        for advisory in release.advisories
    ]
    as_of = advice.status.as_of
    state = f"{advice.status.name}, as of {as_of:%Y-%m-%d}" if as_of else advice.status.name
    return Advised(vulnerabilities=tuple(sorted(found, key=lambda one: one.ref)), state=state, known=True)


def _entry(package: Package, advisory: Advisory, ignored: Sequence[IgnoredAdvisory], today: date) -> Vulnerability:
    return Vulnerability(
        ref=below(f"vulnerability-of:{package.component.ref}", advisory.id),
        id=advisory.id,
        source=advisory.source,
        url=advisory.url,
        aliases=advisory.aliases,
        severity=advisory.severity,
        description=advisory.summary,
        recommendation=f"upgrade to {listing(advisory.fixed)}" if advisory.fixed else None,
        component=package.component.ref,
        version=package.version,
        analysis=_analysis(package, advisory, ignored, today),
    )


def _analysis(package: Package, advisory: Advisory, ignored: Sequence[IgnoredAdvisory], today: date) -> Analysis:
    about = [one for one in ignored if one.id in advisory.names and one.package in {None, package.name}]
    valid = next((one for one in about if today <= one.expires), None)
    if valid is not None:
        return _decided(valid)
    if advisory.malware:
        return Analysis(state="exploitable", detail="the package itself is reported as malicious")
    told = [f"it was accepted until {one.expires}, which is over" for one in about[:1]]
    if advisory.unclear:
        told.append("whether this version is meant cannot be told")
    return Analysis(state="in_triage", detail="; ".join(told) or None)


def _decided(ignored: IgnoredAdvisory) -> Analysis:
    match = _JUSTIFIED.match(ignored.reason)
    detail = f"until {ignored.expires}, by ignore-advisories: {ignored.reason}"
    if match is None:
        return Analysis(state="exploitable", responses=("will_not_fix",), detail=f"the risk is accepted {detail}")
    justification = match[1] if match[1] in JUSTIFICATIONS else None
    return Analysis(state="not_affected", justification=justification, detail=detail)
