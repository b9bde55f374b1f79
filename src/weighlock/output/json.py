"""Reports for programs, as JSON. ``docs/scan.md`` describes the fields."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

from weighlock.finding import Outcome
from weighlock.output.escape import encodable

if TYPE_CHECKING:
    from weighlock.gates.scan import Judged, Report


def render(report: Report) -> str:
    r"""Return the report as one JSON object.

    Only ASCII comes out. A byte of a file name that is no UTF-8 becomes a visible ``\udc80``: many readers
    refuse a JSON text with half a surrogate pair, and a hostile name must not make a report unreadable.
    """
    document = {
        "weighlock": _version(),
        "command": report.command,
        "artifacts": [_artifact(item) for item in report.judged],
        "summary": summary(report),
    }
    return json.dumps(encodable(document), indent=2) + "\n"


def summary(report: Report) -> dict[str, object]:
    """Count the files, the verdicts and the outcomes."""
    outcomes = Counter(item.inspection.outcome for item in report.judged)
    outcomes[Outcome.NOT_A_MODEL] += report.not_models
    allowed = sum(item.verdict.allowed for item in report.judged)
    return {
        "files": len(report.judged) + report.not_models,
        "repeats": report.repeats,
        "allowed": allowed,
        "denied": len(report.judged) - allowed,
        "outcomes": {str(outcome): outcomes[outcome] for outcome in Outcome},
    }


def _artifact(item: Judged) -> dict[str, object]:
    artifact, inspection = item.artifact, item.inspection
    fields: dict[str, object] = {"path": artifact.path, "size": artifact.size}
    if artifact.digest:
        fields["sha256"] = artifact.digest.value
    return fields | {
        "format": inspection.format,
        "outcome": str(inspection.outcome),
        "imports": list(inspection.imports),
        "needs": list(inspection.needs),
        "findings": [
            {
                "check": finding.check,
                "severity": str(finding.severity),
                "message": finding.message,
                "location": str(finding.location),
            }
            for finding in inspection.findings
        ],
        "verdict": {
            "decision": str(item.verdict.decision),
            "reasons": [
                {"rule": reason.rule, "message": reason.message, "remedy": reason.remedy}
                for reason in item.verdict.reasons
            ],
        },
    }


def _version() -> str:
    from weighlock import __version__

    return __version__
