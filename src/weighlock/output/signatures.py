"""Who signed what, for people and for programs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from weighlock.output.escape import encodable, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.gates.model_signature import SignedModel
    from weighlock.gates.signatures import SignatureReport
    from weighlock.gates.signing import Signed
    from weighlock.signing.documents import Document
    from weighlock.signing.verification import Tally


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
        "signatures": _counted(tally),
        "not-counted": [{"bundle": one.bundle, "why": one.why, "hint": one.hint} for one in tally.not_counted],
        "warnings": list(report.warnings),
    }
    return json.dumps(encodable(document), indent=2) + "\n"


def signed_model_text(model: SignedModel, trusted_by: str) -> str:
    """Return who signed a model under which name, and what of it is not as it was signed.

    Args:
        model: What was verified.
        trusted_by: As for `verified_text`.
    """
    from weighlock.gates.verify import GOOD  # it brings what signing does without

    word = "NOT AS SIGNED" if model.report.exit_code else "VERIFIED"
    by = f"{model.tally.signers} of {model.tally.threshold} signers"
    lines = [f"{word} model {model.manifest.name}: {by}", *_signers(model.tally), _trusted_by(trusted_by)]
    wrong = [file for file in model.report.files if file.status != GOOD]
    lines += [f"  {file.status:<11} {file.path}: {file.message}" for file in wrong]
    good = len(model.report.files) - len(wrong)
    lines.append(f"  files   {good} of {len(model.report.files)} are as they were signed")
    return "".join(f"{printable(line)}\n" for line in lines)


def signed_model_json(model: SignedModel, trusted_by: str) -> str:
    """Return the same as one JSON object."""
    from weighlock import __version__

    document = {
        "weighlock": __version__,
        "command": "verify --signature",
        "verified": model.report.exit_code == 0,
        "kind": "model",
        "name": model.manifest.name,
        "signers": model.tally.signers,
        "threshold": model.tally.threshold,
        "trusted-by": trusted_by,
        "signatures": _counted(model.tally),
        "artifacts": [asdict(file) for file in model.report.files],
    }
    return json.dumps(encodable(document), indent=2) + "\n"


def _counted(tally: Tally) -> list[dict[str, str]]:
    return [
        {"bundle": name, "digest": str(one.bundle), "signer": one.signer, "identity": one.identity}
        for name, one in tally.counted
    ]


def _signers(tally: Tally) -> Iterator[str]:
    for name, one in tally.counted:
        identity = one.identity if one.identity.startswith("key ") else f"identity {one.identity}"
        yield f"  signer  {one.signer}, {identity} ({name})"
    for other in tally.not_counted:
        yield f"  not counted  {other.bundle}: {other.why}"
        if other.hint:
            yield f"               hint: {other.hint}"


def _lines(report: SignatureReport, trusted_by: str) -> Iterator[str]:
    tally, document = report.tally, report.document
    word = "VERIFIED" if tally.reached else "NOT VERIFIED"
    yield f"{word} {document.kind} {document.name}: {tally.signers} of {tally.threshold} signers"
    if tally.counted:
        yield f"  signed  {_digests(document)}, each as it is here"
    yield from _signers(tally)
    yield _trusted_by(trusted_by)
    for warning in report.warnings:
        yield f"  warning  {warning}"


def _trusted_by(what: str) -> str:
    return f"  trusted by  {'the policy' if what == 'policy' else 'the options of this command'}"


def _digests(document: Document) -> str:
    count = len(document.subjects)
    return "1 digest" if count == 1 else f"{count} digests"
