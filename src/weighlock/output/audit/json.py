"""The audit for programs. ``docs/formats/audit.md`` describes the fields."""

from __future__ import annotations

import json
from datetime import UTC
from typing import TYPE_CHECKING, Any

from weighlock import __version__
from weighlock.audit.item import Part, Status
from weighlock.model_source import revision_of
from weighlock.output.audit.words import EVIDENCE_FOR, mappings, source_of
from weighlock.output.escape import encodable

if TYPE_CHECKING:
    from weighlock.audit.facts import Facts, FileFacts
    from weighlock.audit.item import Item
    from weighlock.audit.verdict import Audit
    from weighlock.finding import Finding

FORMAT = "1.0"


def render(audit: Audit) -> str:
    """Return the audit as one JSON object, of ASCII alone."""
    facts = audit.facts
    document: dict[str, Any] = {
        "weighlock": __version__,
        "command": "audit",
        "audit-version": FORMAT,
        "model": {
            "name": facts.model,
            "source": source_of(facts.source),
            "revision": revision_of(facts.source),
            "license": facts.license,
            "digest": facts.digest,
        },
        "time": facts.now.astimezone(UTC).isoformat(timespec="seconds"),
        "verdict": _verdict(audit),
        "summary": {part.value: _counts(audit, part) for part in Part},
        "items": [_item(item) for item in audit.items],
        "files": [_file(file) for file in facts.files],
        "lineage": _lineage(facts),
        "packages": _packages(facts),
        "signatures": [
            _plain(one, "place", "digest", "signer", "problem", "undecided", "enough") for one in facts.signatures
        ],
        "bill-of-materials": facts.bom and _plain(facts.bom, "place", "digest", "missing", "problem"),
        "ledger": facts.ledger
        and _plain(facts.ledger, *("index size root checkpoint hashes entry time gate verdict".split())),
        "digests": {"lockfile": facts.lock, "policy": facts.policy, "record": audit.record},
        "evidence-for": {
            "note": EVIDENCE_FOR,
            "identifiers": [
                {"standard": standard, "id": identifier, "title": title, "items": [one.question.id for one in items]}
                for standard, identifier, title, items in mappings(audit)
            ],
        },
        "notes": [*audit.notes, *facts.unlisted],
    }
    return json.dumps(encodable(document), indent=2) + "\n"


def _verdict(audit: Audit) -> dict[str, Any]:
    verdict = audit.verdict
    return {
        "decision": str(verdict.decision),
        "reasons": [{"rule": one.rule, "message": one.message, "remedy": one.remedy} for one in verdict.reasons],
    }


def _counts(audit: Audit, part: Part) -> dict[str, int]:
    return {status.value: audit.count(status, part) for status in Status}


def _item(item: Item) -> dict[str, Any]:
    question, waiver = item.question, item.waiver
    return {
        "id": question.id,
        "part": question.part.value,
        "kind": question.kind,
        "required": item.required,
        "question": question.text,
        "owner": question.owner,
        "status": item.status.value,
        "answer": item.text,
        "evidence": list(item.evidence),
        "place": item.place,
        "by": item.by,
        "at": item.at.isoformat() if item.at else None,
        "waiver": None
        if waiver is None
        else {
            "reason": waiver.reason,
            "by": waiver.by,
            "approver": waiver.approver,
            "at": waiver.at.isoformat(),
            "expires": waiver.expires.isoformat(),
        },
        "notes": list(item.notes),
        "evidence-for": list(question.evidence_for),
    }


def _file(file: FileFacts) -> dict[str, Any]:
    return {
        "path": file.path,
        "size": file.size,
        "sha256": file.sha256,
        "format": file.format,
        "outcome": str(file.outcome),
        "locked": file.locked,
        "disk": file.disk,
        "mismatch": file.mismatch,
        "inspected": file.inspected,
        "needs": list(file.needs),
        "approved": list(file.approved),
        "unsafe": file.unsafe,
        "equivalent-to": list(file.twins),
        "denied": list(file.denied),
        "findings": [_finding(finding) for finding in file.findings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "check": finding.check,
        "severity": str(finding.severity),
        "message": finding.message,
        "location": {"members": list(finding.location.members), "offset": finding.location.offset},
    }


def _lineage(facts: Facts) -> dict[str, Any]:
    return {
        "card": facts.card and _plain(facts.card, "path", "digest", "license", "problem"),
        "relatives": [_plain(one, "name", "kind", "revision", "license", "locked") for one in facts.relatives],
    }


def _packages(facts: Facts) -> dict[str, Any] | None:
    judged = facts.packages
    if judged is None:
        return None
    return {
        "inputs": list(judged.inputs),
        "advisories-as-of": judged.advisories,
        "denied": list(judged.denied),
        "warnings": list(judged.warnings),
        "packages": [_plain(one, "name", "version", "denied", "advisories") for one in judged.packages],
    }


def _plain(value: object, *names: str) -> dict[str, Any]:
    fields = ((name, getattr(value, name)) for name in names)
    return {name: list(field) if isinstance(field, tuple) else field for name, field in fields}
