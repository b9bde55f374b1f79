"""Reports about packages for code scanning, as SARIF 2.1.0: results lie in the file that asks for the package.

There is one result for each reason of a refusal, and one for each advisory that refuses nothing.

Source:
    Static Analysis Results Interchange Format (SARIF) Version 2.1.0, OASIS Standard, 2020; GitHub, "SARIF support for
    code scanning", for ``security-severity``, ``help.markdown`` and fingerprints.
"""

from __future__ import annotations

from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING
from urllib.parse import quote

from weighlock import __version__
from weighlock.finding import Finding, Severity
from weighlock.output.escape import printable
from weighlock.output.packages.blame import ORDER, blames, notes, place_of, rule_of, told
from weighlock.output.packages.json import dumps
from weighlock.output.packages.markdown import literal
from weighlock.output.sarif import LEVELS, SCHEMA, SCORES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.gates.packages import Judged, PackageReport
    from weighlock.verdict import Reason

_NOWHERE = "pyproject.toml"
"""What has no file of its own is shown in the one that holds the policy: a result without a place is not shown."""


def render(report: PackageReport) -> str:
    """Return the report as one SARIF log with one run."""
    results: list[dict[str, object]] = []
    rules: dict[str, Finding] = {}
    again = Counter[str]()
    for item in report.judged:
        for finding, reason in _told(item):
            rule = rule_of(finding)
            known = rules.setdefault(rule, finding)
            if ORDER.index(finding.severity) > ORDER.index(known.severity):
                rules[rule] = finding
            key = "\0".join((_path(item), _name(item), rule, *finding.location.members))
            again[key] += 1
            results.append(_result(item, finding, reason, f"{key}\0{again[key]}"))
    driver = {
        "name": "weighlock",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": [_rule(rule, rules[rule]) for rule in sorted(rules)],
    }
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"weighlock/{report.command}/"},
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def _told(item: Judged) -> Iterator[tuple[Finding, Reason | None]]:
    """Yield what is worth a result: every reason of a refusal, and advisories that are no reason for one."""
    for blame in blames(item):
        bare = Finding(check=blame.reason.rule, severity=blame.severity, message=blame.reason.message)
        yield blame.finding or bare, blame.reason
    accepted = bool(item.verdict.allowed and item.verdict.reasons)
    for finding in notes(item):
        if finding.advisory is not None and not (accepted and _is_ignored(finding, item)):
            yield finding, None


def _is_ignored(finding: Finding, item: Judged) -> bool:
    names = finding.advisory.names if finding.advisory else frozenset()
    return any(reason.rule == "ignored" and reason.message.split(" ", 1)[0] in names for reason in item.verdict.reasons)


def _rule(rule: str, finding: Finding) -> dict[str, object]:
    advisory, severity = finding.advisory, finding.severity
    described = printable(advisory.summary)[:1000] if advisory and advisory.summary else ""
    short = described[:200] or f"{finding.check.replace('-', ' ')}"
    page = f"docs/checks.md explains {finding.check}"
    value: dict[str, object] = {
        "id": printable(rule),
        "name": printable(rule),
        "shortDescription": {"text": short},
        "fullDescription": {"text": described or short},
        "help": {"text": f"{described or short}; {page}", "markdown": f"{literal(described or short)}  \n{page}"},
        "defaultConfiguration": {"level": LEVELS[severity]},
        "properties": {"security-severity": SCORES[severity], "tags": ["security", finding.check]},
    }
    if advisory and advisory.url and advisory.url.startswith("https://"):
        value["helpUri"] = quote(advisory.url.encode("utf-8", "surrogatepass"), safe=":/?#[]@!$&'()*+,;=%")
    return value


def _result(item: Judged, finding: Finding, reason: Reason | None, key: str) -> dict[str, object]:
    parts = [f"{item.title}: {told(finding)}{place_of(finding)}"]
    if finding.advisory and finding.advisory.fixed:
        parts.append(f"fixed in {finding.advisory.fixed[0]}")
    if reason is not None and reason.remedy:
        parts.append(f"to approve it on purpose: {reason.remedy}")
    origin = item.origin
    line = origin.line if origin and origin.line else 1
    level = LEVELS[finding.severity] if reason is not None else LEVELS[min(finding.severity, Severity.LOW, key=_rank)]
    return {
        "ruleId": printable(rule_of(finding)),
        "level": level,
        "message": {"text": printable("; ".join(parts))},
        "locations": [
            {"physicalLocation": {"artifactLocation": {"uri": _uri(_path(item))}, "region": {"startLine": line}}}
        ],
        "partialFingerprints": {"weighlock/v1": sha256(printable(key).encode()).hexdigest()},
        "properties": {"verdict": str(item.verdict.decision), "check": finding.check},
    }


def _rank(severity: Severity) -> int:
    return ORDER.index(severity)


def _path(item: Judged) -> str:
    return item.origin.path if item.origin and item.origin.path else _NOWHERE


def _name(item: Judged) -> str:
    """Return what stays when a version is bumped, so that a result that persists stays the same one."""
    return item.title.partition("==")[0]


def _uri(path: str) -> str:
    # A byte that is no UTF-8 is quoted as it is; what no file name can hold is made visible first.
    try:
        data = path.removeprefix("./").encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        data = printable(path).encode()
    return quote(data)
