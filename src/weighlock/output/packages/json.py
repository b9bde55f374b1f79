"""Reports about packages for programs. ``docs/check.md`` describes the fields."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from weighlock import __version__
from weighlock.output.escape import encodable

if TYPE_CHECKING:
    from weighlock.advisory import Advisory
    from weighlock.finding import Finding
    from weighlock.gates.packages import AdvisoriesStatus, JudgedLooseFile, JudgedPackage, PackageReport, Suggestion
    from weighlock.release import Origin
    from weighlock.verdict import Verdict


def render(report: PackageReport) -> str:
    r"""Return the report as one JSON object.

    Only ASCII comes out, and half a surrogate pair as a visible ``\udc80``: many readers refuse a JSON text that has
    one, and a hostile name must not make a report unreadable.
    """
    denied = sum(not item.verdict.allowed for item in report.judged)
    document = {
        "weighlock": __version__,
        "command": report.command,
        "inputs": list(report.inputs),
        "packages": [_package(item) for item in report.packages],
        "files": [_file(item) for item in report.files],
        "advisories": [_status(status) for status in report.advisories],
        "warnings": list(report.warnings),
        "suggestions": [_suggestion(suggestion) for suggestion in report.suggestions],
        "summary": {
            "packages": len(report.packages),
            "files": len(report.files),
            "allowed": len(report.judged) - denied,
            "denied": denied,
        },
    }
    return dumps(document)


def dumps(document: object) -> str:
    """Return JSON text that no reader refuses and no log of a build obeys."""
    # A number sign stands in strings only; `##[` would be a command of GitHub's wherever a log has it.
    return json.dumps(encodable(document), indent=2).replace("##", "\\u0023\\u0023") + "\n"


def _package(item: JudgedPackage) -> dict[str, object]:
    release, artifact = item.release, item.release.artifact
    listed = release.listed
    return {
        "name": artifact.name,
        "version": artifact.version,
        "filename": artifact.filename or None,
        "sha256": artifact.digest.value if artifact.digest else None,
        "size": artifact.size,
        "url": artifact.url,
        "index": release.served_by.index if release.served_by else None,
        "uploaded": listed.uploaded.isoformat() if listed and listed.uploaded else None,
        "requested": release.requested,
        "direct": release.direct,
        "origin": _origin(release.origin),
        "findings": [_finding(finding) for finding in item.findings],
        "verdict": _verdict(item.verdict),
    }


def _file(item: JudgedLooseFile) -> dict[str, object]:
    return {
        "path": item.path,
        "sha256": item.digest.value if item.digest else None,
        "findings": [_finding(finding) for finding in item.findings],
        "verdict": _verdict(item.verdict),
    }


def _finding(finding: Finding) -> dict[str, object]:
    return {
        "check": finding.check,
        "severity": str(finding.severity),
        "outcome": str(finding.outcome),
        "message": finding.message,
        "location": str(finding.location),
        "advisory": _advisory(finding.advisory) if finding.advisory else None,
    }


def _advisory(advisory: Advisory) -> dict[str, object]:
    return {
        "id": advisory.id,
        "aliases": list(advisory.aliases),
        "severity": str(advisory.severity),
        "summary": advisory.summary,
        "fixed": list(advisory.fixed),
        "malware": advisory.malware,
        "source": advisory.source,
        "url": advisory.url,
    }


def _verdict(verdict: Verdict) -> dict[str, object]:
    return {
        "decision": str(verdict.decision),
        "reasons": [
            {"rule": reason.rule, "message": reason.message, "remedy": reason.remedy} for reason in verdict.reasons
        ],
    }


def _status(status: AdvisoriesStatus) -> dict[str, object]:
    return {
        "source": status.source,
        "updated": status.updated.isoformat() if status.updated else None,
        "age-hours": None if status.age is None else int(status.age.total_seconds() // 3600),
        "old": status.old,
    }


def _suggestion(suggestion: Suggestion) -> dict[str, object]:
    return {
        "name": suggestion.name,
        "version": suggestion.version,
        "upgrade": suggestion.upgrade,
        "clears": list(suggestion.clears),
        "origin": _origin(suggestion.origin),
        "line": suggestion.line,
        "caution": suggestion.caution,
    }


def _origin(origin: Origin | None) -> dict[str, object] | None:
    return None if origin is None else {"path": origin.path, "line": origin.line, "text": origin.text}
