"""What was published about a release, as JSON: for the checks of advisories."""

import json
from collections.abc import Iterator

Vectors = Iterator[tuple[str, bytes]]

_ADVISORY = {
    "id": "PYSEC-2024-1",
    "aliases": ["CVE-2024-1000", "GHSA-aaaa-bbbb-cccc"],
    "severity": "high",
    "summary": "Text of a stranger \u001b[2J",
    "fixed": ["1.1", "2.0.3"],
}
_REPORT = {
    "id": "MAL-2026-2144",
    "severity": "critical",
    "summary": "Malicious code in example (PyPI)",
    "malware": True,
    "url": "https://osv.dev/vulnerability/MAL-2026-2144",
}


def _advised(*advisories: dict, **fields: object) -> bytes:
    artifact = {"name": "example", "version": "1.0"}
    return json.dumps({"artifact": artifact, "advisories": advisories, **fields}, indent=1).encode() + b"\n"


def _advisories() -> Vectors:
    yield "applies.json", _advised(_ADVISORY)
    yield "unknown-severity.json", _advised({"id": "PYSEC-2024-2"})
    yield "beside-malware.json", _advised(_REPORT, _ADVISORY)
    yield "not-understood.json", _advised({"id": "PYSEC-2024-3", "unclear": True, "summary": "it is not a list"})
    yield "unconfirmed.json", _advised({**_REPORT}, unconfirmed=["PYSEC-2024-1"])
    yield "too-old.json", _advised(problem="the advisory database is 31 days old, and the policy takes 30 days")


def _nothing() -> Vectors:
    yield "nothing.json", _advised()
    yield "only-malware.json", _advised(_REPORT)


def _reports() -> Vectors:
    yield "reported.json", _advised(_REPORT)
    yield "under-another-name.json", _advised(_ADVISORY | {"malware": True})


def _no_reports() -> Vectors:
    yield "nothing.json", _advised()
    yield "vulnerable.json", _advised(_ADVISORY)


CHECKS = {"advisory": (_advisories, _nothing), "malware-report": (_reports, _no_reports)}
