"""A wheel as ``weighlock scan`` judges it: as a package, beside what loaders of models would make of it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from weighlock.artifact import PackageFile
from weighlock.finding import Inspection, Outcome
from weighlock.inspector.packages import inspect_wheel
from weighlock.install_policy import InstallPolicy
from weighlock.verdict import Decision, Verdict

if TYPE_CHECKING:
    from weighlock.formats.source import Source

# What the model inspector says of the same bytes stands beside it already.
_SAID_OF_MODELS = "models-in-package"


def artifact_of(path: str) -> PackageFile | None:
    """Return what a file claims to be by its name, or ``None`` where no installer would take it for a wheel."""
    filename = os.path.basename(path)
    try:
        name, version, _, _ = parse_wheel_filename(filename)
    except (InvalidWheelFilename, ValueError):
        return None
    return PackageFile(name=name, version=str(version), filename=filename)


def with_package(
    artifact: PackageFile, source: Source, inspection: Inspection, verdict: Verdict
) -> tuple[Inspection, Verdict]:
    """Add what is found in a wheel as a package to what was found in it as a file of models.

    Args:
        artifact: What its name says.
        source: All its bytes.
        inspection: Of the model inspector.
        verdict: Of the policy about models.

    Returns:
        Both together: every finding, and `DENY` where either says so; packages are judged by the default policy.
    """
    found = inspect_wheel(source, artifact.filename)
    findings = tuple(finding for finding in found.findings if finding.check != _SAID_OF_MODELS)
    judged = InstallPolicy().decide(artifact, findings, datetime.now(UTC))
    together = Inspection(
        format=inspection.format or found.format,
        outcome=max(inspection.outcome, Outcome.DATA_ONLY, *(finding.outcome for finding in findings)),
        imports=inspection.imports,
        needs=inspection.needs,
        foremost=inspection.foremost,
        findings=tuple(sorted((*inspection.findings, *findings), key=lambda finding: -finding.outcome)),
    )
    denied = [answer for answer in (verdict, judged) if not answer.allowed]
    # Why one of the policies would let it through is no reason for the refusal of the other.
    reasons = tuple(reason for answer in denied or (verdict, judged) for reason in answer.reasons)
    return together, Verdict(decision=Decision.DENY if denied else Decision.ALLOW, reasons=reasons)
