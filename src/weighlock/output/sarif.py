"""Reports for code scanning, as SARIF 2.1.0: one result for each finding of a denied artifact.

Source:
    Static Analysis Results Interchange Format (SARIF) Version 2.1.0, OASIS Standard, 2020.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import quote

from weighlock import __version__
from weighlock.finding import Finding, Outcome, Severity
from weighlock.output.escape import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.gates.scan import Judged, Report

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {
    Severity.INFO: "note",
    Severity.LOW: "note",
    Severity.MEDIUM: "warning",
    Severity.HIGH: "error",
    Severity.CRITICAL: "error",
    Severity.UNKNOWN: "error",
}
# GitHub sorts by this number: above 9.0 is critical, 7.0 high, 4.0 medium.
SCORES = {
    Severity.INFO: "0.0",
    Severity.LOW: "2.0",
    Severity.MEDIUM: "5.0",
    Severity.HIGH: "8.0",
    Severity.CRITICAL: "9.5",
    Severity.UNKNOWN: "8.0",
}


def render(report: Report) -> str:
    """Return the report as one SARIF log with one run."""
    results, worst = [], dict[str, Severity]()
    for item in report.judged:
        if item.verdict.allowed:
            continue
        for finding in _findings(item):
            results.append(_result(item, finding))
            known = worst.get(finding.check, Severity.INFO)
            worst[finding.check] = max(known, finding.severity, key=lambda severity: float(SCORES[severity]))
    driver = {
        "name": "weighlock",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": [_rule(check, worst[check]) for check in sorted(worst)],
    }
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"weighlock/{report.command}/"},
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _findings(item: Judged) -> Iterator[Finding]:
    """Yield what counts against an artifact: each denial has at least one result."""
    blamed = [finding for finding in item.inspection.findings if finding.outcome > Outcome.DATA_ONLY]
    yield from blamed
    if not blamed:
        for reason in item.verdict.reasons:
            yield Finding(check=reason.rule, severity=Severity.HIGH, message=reason.message)


def _rule(check: str, severity: Severity) -> dict[str, object]:
    return {
        "id": check,
        "name": check,
        "shortDescription": {"text": check.replace("-", " ")},
        "help": {"text": f"docs/checks.md explains {check}"},
        "defaultConfiguration": {"level": LEVELS[severity]},
        "properties": {"security-severity": SCORES[severity], "tags": ["security"]},
    }


def _result(item: Judged, finding: Finding) -> dict[str, object]:
    reasons = [f"{reason.rule}: {reason.message}" for reason in item.verdict.reasons]
    remedies = [f"to approve it on purpose: {reason.remedy}" for reason in item.verdict.reasons if reason.remedy]
    text = "; ".join([finding.message, *(reason for reason in reasons if finding.message not in reason), *remedies])
    return {
        "ruleId": finding.check,
        "level": LEVELS[finding.severity],
        "message": {"text": printable(text)},
        "locations": [_location(item, finding)],
        "partialFingerprints": {"weighlock/v1": _fingerprint(item, finding)},
        "properties": {"outcome": str(item.inspection.outcome), "format": item.inspection.format},
    }


def _location(item: Judged, finding: Finding) -> dict[str, object]:
    region: dict[str, int] = {"startLine": 1}  # what shows results wants a line, also of a binary file
    location: dict[str, object] = {}
    if finding.location.members:
        name = printable(str(finding.location))
        location["logicalLocations"] = [{"fullyQualifiedName": name, "kind": "member"}]
    elif finding.location.offset is not None:
        region["byteOffset"] = finding.location.offset
    uri = quote(item.artifact.path.encode("utf-8", "surrogateescape"))
    return {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": region}, **location}


def _fingerprint(item: Judged, finding: Finding) -> str:
    """Identify a result across runs: the place in the file counts, the offset does not, which moves with every byte."""
    parts = (item.artifact.path, finding.check, *finding.location.members, finding.message)
    return sha256(printable("\0".join(parts)).encode()).hexdigest()
