"""The packages that an audited model runs with, as ``weighlock check`` judges them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.audit.facts import PackageFacts, Packages

if TYPE_CHECKING:
    from weighlock.gates.packages import JudgedPackage, PackageReport


def packages_of(report: PackageReport) -> Packages:
    """Return what a report of ``weighlock check`` says, for an audit."""
    denied = [item for item in report.files if not item.verdict.allowed]
    ages = [status.updated for status in report.advisories]
    known = [age for age in ages if age is not None]
    return Packages(
        inputs=report.inputs,
        packages=tuple(map(_package, report.packages)),
        denied=tuple(f"{item.path}: {item.verdict.reasons[0].message}" for item in denied),
        advisories=min(known).date().isoformat() if known and len(known) == len(ages) else None,
        warnings=report.warnings,
    )


def _package(judged: JudgedPackage) -> PackageFacts:
    artifact = judged.release.artifact
    reasons = () if judged.verdict.allowed else judged.verdict.reasons
    advised = [finding.advisory.id for finding in judged.findings if finding.advisory is not None]
    return PackageFacts(
        name=artifact.name,
        version=artifact.version,
        denied=tuple(f"{reason.rule}: {reason.message}" for reason in reasons),
        advisories=tuple(dict.fromkeys(advised)),
        findings=judged.findings,
    )
