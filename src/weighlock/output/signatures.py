"""Who signed what, for people and for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from weighlock.output.escape import encodable, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.gates.signatures import SignatureReport
    from weighlock.gates.signing import Signed
    from weighlock.signing.documents import Document


def signed_text(signed: Signed) -> str:
    """Return what was signed, by whom, and where the signature lies."""
    document = signed.document
    lines = [
        f"signed {document.kind} {document.name}: {_digests(document)}",
        f"  by      {signed.who}",
        f"  bundle  {signed.bundle}",
        f"          {signed.digest}",
    ]
    return "".join(f"{printable(line)}\n" for line in lines)


def verified_text(report: SignatureReport, trusted_by: str) -> str:
    """Return who signed, the verdict first.

    Args:
        report: What was verified.
        trusted_by: What says whose signatures count: ``options`` or ``policy``.
    """
    return "".join(f"{printable(line)}\n" for line in _lines(report, trusted_by))


def verified_json(report: SignatureReport, trusted_by: str) -> str:
    """Return the same as one JSON object."""
    from weighlock import __version__

    tally = report.tally
    document = {
        "weighlock": __version__,
        "command": "verify --signature",
        "verified": tally.reached,
        "kind": report.document.kind,
        "name": report.document.name,
        "subjects": len(report.document.subjects),
        "signers": tally.signers,
        "threshold": tally.threshold,
        "trusted-by": trusted_by,
        "signatures": [
            {"bundle": name, "digest": str(one.bundle), "signer": one.signer, "identity": one.identity}
            for name, one in tally.counted
        ],
        "not-counted": [{"bundle": one.bundle, "why": one.why, "hint": one.hint} for one in tally.not_counted],
        "warnings": list(report.warnings),
    }
    return json.dumps(encodable(document), indent=2) + "\n"


def _lines(report: SignatureReport, trusted_by: str) -> Iterator[str]:
    tally, document = report.tally, report.document
    word = "VERIFIED" if tally.reached else "NOT VERIFIED"
    yield f"{word} {document.kind} {document.name}: {tally.signers} of {tally.threshold} signers"
    if tally.counted:
        yield f"  signed  {_digests(document)}, each as it is here"
    for name, one in tally.counted:
        identity = one.identity if one.identity.startswith("key ") else f"identity {one.identity}"
        yield f"  signer  {one.signer}, {identity} ({name})"
    for other in tally.not_counted:
        yield f"  not counted  {other.bundle}: {other.why}"
        if other.hint:
            yield f"               hint: {other.hint}"
    yield f"  trusted by  {'the policy' if trusted_by == 'policy' else 'the options of this command'}"
    for warning in report.warnings:
        yield f"  warning  {warning}"


def _digests(document: Document) -> str:
    count = len(document.subjects)
    return "1 digest" if count == 1 else f"{count} digests"
