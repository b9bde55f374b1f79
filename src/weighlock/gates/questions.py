"""What policy engines are asked: the input document about one artifact, as ``docs/formats/policy-input.md`` has it.

Words are in lower case and times in UTC, so that no rule has to think of another spelling.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from weighlock.engines.interface import Question
from weighlock.evidence import Approval, LockEntry, OwnSave
from weighlock.gates.packages import JudgedPackage
from weighlock.gates.recording import is_database, shown
from weighlock.install_policy import Acceptance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from weighlock.artifact import ModelFile
    from weighlock.evidence import Evidence
    from weighlock.finding import Finding, Inspection
    from weighlock.gates.packages import Judged
    from weighlock.install_policy import IgnoredAdvisory
    from weighlock.policy import Policy
    from weighlock.release import Release

_TIME = "%Y-%m-%dT%H:%M:%SZ"


def about_model(
    gate: str, policy: Policy, artifact: ModelFile, inspection: Inspection, evidence: Sequence[Evidence]
) -> Question:
    """Return the question about a model file."""
    about = {
        "kind": "model",
        "name": artifact.path,
        "size": artifact.size,
        "digest": None if artifact.digest is None else str(artifact.digest),
        "format": inspection.format or artifact.format,
        "outcome": str(inspection.outcome),
        "imports": list(inspection.imports),
        "needs": list(inspection.needs),
    }
    return _question(gate, policy, about, inspection.findings, [_evidence(item) for item in evidence])


def about_package(gate: str, policy: Policy, judged: Judged) -> Question:
    """Return the question about a package, or about a file of an environment that no package owns."""
    about: dict[str, Any] = {"kind": "package", "name": judged.title, "digest": str(judged.identity or "") or None}
    if isinstance(judged, JudgedPackage):
        about |= _release(judged.release, datetime.now(UTC))
    return _question(gate, policy, about, judged.findings, [])


def about_promotion(policy: Policy, about: dict[str, Any], evidence: list[dict[str, Any]]) -> Question:
    """Return the question about a promotion.

    Args:
        policy: That the gate decided by.
        about: What is promoted where, and who signed and approved.
        evidence: A row for each kind of evidence that was verified.
    """
    return _question("promotion", policy, {"kind": "promotion", **about}, (), evidence)


def _question(
    gate: str, policy: Policy, about: dict[str, Any], findings: Sequence[Finding], evidence: list[dict[str, Any]]
) -> Question:
    now = datetime.now(UTC)
    waivers: list[Acceptance | IgnoredAdvisory] = [*policy.install.accept, *policy.install.ignore_advisories]
    return Question(
        document={
            "version": 1,
            "gate": gate,
            "time": now.strftime(_TIME),
            "epoch": int(now.timestamp()),
            "artifact": about,
            "findings": [_finding(finding) for finding in findings],
            "evidence": evidence,
            "waivers": [_waiver(item, now) for item in waivers],
            "policy": _said(policy),
        }
    )


def _release(release: Release, now: datetime) -> dict[str, Any]:
    file, listed = release.artifact, release.listed
    uploaded = None if listed is None or listed.uploaded is None else listed.uploaded.astimezone(UTC)
    license_expression = release.metadata.get("license_expression")
    return {
        "name": file.name,
        "version": file.version,
        "filename": file.filename,
        "size": file.size,
        "index": None if release.served_by is None else release.served_by.index,
        "license": license_expression if isinstance(license_expression, str) else None,
        "uploaded": None if uploaded is None else uploaded.strftime(_TIME),
        "uploaded_epoch": None if uploaded is None else int(uploaded.timestamp()),
        "age_seconds": None if uploaded is None else int((now - uploaded).total_seconds()),
    }


def _waiver(item: Acceptance | IgnoredAdvisory, now: datetime) -> dict[str, Any]:
    """Return what a person accepted; whether that still holds is computed here, for Rego may have no calendar."""
    left = None if item.expires is None else (item.expires - now.date()).days
    return {
        "package": item.package,
        "check": item.check if isinstance(item, Acceptance) else "advisory",
        "advisory": None if isinstance(item, Acceptance) else item.id,
        "reason": item.reason,
        "expires": None if item.expires is None else item.expires.isoformat(),
        "days_left": left,
        "expired": left is not None and left < 0,
    }


def _said(policy: Policy) -> dict[str, Any]:
    """Return the policy without what opens the database of the ledger."""
    said = policy.to_dict()
    place = said["evidence"]["ledger"].get("place")
    if place is not None and is_database(place):
        said["evidence"]["ledger"]["place"] = shown(place)
    return said


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "check": finding.check,
        "severity": str(finding.severity).lower(),
        "outcome": str(finding.outcome),
        "message": finding.message,
        "imports": list(finding.imports),
        "advisory": None if finding.advisory is None else sorted(finding.advisory.names),
    }


def _evidence(item: Evidence) -> dict[str, Any]:
    if isinstance(item, LockEntry):
        return {"kind": "lock-entry", "model": item.model, "path": item.path}
    if isinstance(item, Approval):
        return {"kind": "approval", "imports": sorted(item.imports), "unsafe": item.unsafe}
    if isinstance(item, OwnSave):
        return {"kind": "own-save"}
    raise AssertionError(f"evidence of an unknown kind: {type(item).__name__}")
