"""The gate of ``weighlock verify --signature``: who signed exactly these bytes, and whether that is enough.

1. collect: the document and the bundles beside it, or those that are named;
2. identify: the document's digest, and every digest that it names;
3. verify: each bundle against everybody whose signature counts, and what it says against 2;
4. decide: enough different signers.

`verify_data` is for whoever has the bytes already and goes on with those: what was verified is what is used.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.artifact import Digest
from weighlock.errors import ForgedError, FormatError, LockfileError, UnsupportedError, UsageError, WeighlockError
from weighlock.evidence import Signature
from weighlock.files import read_regular
from weighlock.gates.signing import SUFFIX, default_place, document_at
from weighlock.signing.bundle import LARGEST, read_bundle
from weighlock.signing.documents import BOM, LOCKFILE, MODEL, Document, broken_document, read_document
from weighlock.signing.documents import LARGEST as LARGEST_DOCUMENT
from weighlock.signing.oms import OLD_PREDICATE, PREDICATE
from weighlock.signing.statement import read_statement
from weighlock.signing.trust import Trust, TrustedIdentity, TrustedSigner
from weighlock.signing.verification import Tally, tally
from weighlock.verdict import Decision, Reason, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from pathlib import Path

    from weighlock.gates.deciding import Decider

_MOST_BUNDLES = 64
_LARGEST_KEYS = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureReport:
    """Who signed a document.

    Args:
        document: What was verified.
        tally: Its signers, and the bundles that do not count.
        warnings: About the keys that it was verified with.
    """

    document: Document
    tally: Tally
    warnings: tuple[str, ...] = ()

    @property
    def evidence(self) -> tuple[Signature, ...]:
        """What was verified, for a policy and for the ledger."""
        return tuple(
            Signature(signer=one.signer, identity=one.identity, bundle=one.bundle) for _, one in self.tally.counted
        )


def verify_document(
    place: Path, trust: Trust, *, bundles: Sequence[Path] = (), name: str | None = None, now: datetime
) -> SignatureReport:
    """Verify the signatures of a lockfile, a bill of materials, a report, or a model on this disk.

    Args:
        place: Of the file, or of the folder of a model.
        trust: Whose signatures count, and how many it takes.
        bundles: Of the signatures; by default those beside it.
        name: Of the model, if its file or folder is called otherwise than it was when it was signed.
        now: The time.

    Returns:
        The report; `SignatureReport.tally` says whether it is enough, and `Tally.require` demands it.

    Raises:
        WeighlockError: It cannot be read, there is no bundle, or the keys to verify with are broken.
    """
    paths = list(bundles) or bundles_beside(place)
    read = [(path.name, read_bundle_file(path)) for path in paths]
    try:
        document = document_at(place, name=name)
    except (LockfileError, FormatError) as error:  # a changed byte may break it, and is to be found as a change
        kind = LOCKFILE if isinstance(error, LockfileError) else BOM
        data = _read(place, LARGEST_DOCUMENT, "the document")
        report = _report(broken_document(data, place.name, kind), read, trust, now)
        if report.tally.reached:
            raise
        return report
    return _report(document, read, trust, now)


def verify_data(
    data: bytes, name: str, bundles: Iterable[tuple[str, bytes]], trust: Trust, *, now: datetime
) -> SignatureReport:
    """Verify the signatures of a lockfile, a bill of materials or a report whose bytes are at hand, and demand enough.

    Args:
        data: All bytes of the document.
        name: Of its file, for people.
        bundles: Name and bytes of each.
        trust: Whose signatures count, and how many it takes.
        now: The time.

    Raises:
        ForgedError: Too few different signers signed exactly these bytes.
        UnsupportedError: Too few, and one signature could not be looked at.
        WeighlockError: The document is broken, or the keys to verify with are.
    """
    document = read_document(data, name)
    if document is None:
        raise ForgedError("is no lockfile, no bill of materials and no report", where=name)
    report = _report(document, bundles, trust, now)
    try:
        report.tally.require()
    except WeighlockError as error:
        error.where = error.where or name
        raise
    return report


def is_model_signing(bundle: Path) -> bool:
    """Say whether a bundle claims to be in the format of OpenSSF Model Signing; nothing of it was verified."""
    try:
        payload = read_bundle(read_bundle_file(bundle)).envelope.payload
        return read_statement(payload).predicate_type in (PREDICATE, OLD_PREDICATE)
    except (ForgedError, UnsupportedError):
        return False


def record(report: SignatureReport, place: Path, decider: Decider) -> None:
    """Record whether a document was signed as it has to be.

    Raises:
        LedgerError: It cannot be recorded, and the policy requires that.
    """
    reached = report.tally.reached
    rule = "signed" if reached else "not-signed"
    verdict = Verdict(decision=Decision.ALLOW if reached else Decision.DENY, reasons=(Reason(rule=rule, message=rule),))
    subjects = report.document.subjects
    is_model = report.document.kind == MODEL
    decider.record(
        os.path.realpath(place),
        verdict,
        kind="model" if is_model else "document",
        digest=None if is_model and len(subjects) > 1 else Digest.sha256(subjects[0].digests["sha256"]),
        evidence=tuple(str(one.bundle) for one in report.evidence),
    )


def bundles_beside(place: Path) -> list[Path]:
    """Return the bundles of a file or folder, as `signatures_of` does.

    Raises:
        UsageError: There is none, or an absurd number.
    """
    first, found = default_place(place), signatures_of(place)
    if not found:
        raise UsageError(
            "there is no signature", where=str(first), hint="sign it with `weighlock sign`, or name it with --bundle"
        )
    if len(found) > _MOST_BUNDLES:
        raise UsageError(f"there are {len(found)} signatures, and {_MOST_BUNDLES} are read", where=str(first.parent))
    return found


def signatures_of(place: Path) -> list[Path]:
    """Return ``FILE.sigstore.json`` and every ``FILE.NAME.sigstore.json``, as far as they are there."""
    first = default_place(place)
    start = first.name.removesuffix(SUFFIX)
    found = [first] if first.is_file() else []
    for path in sorted(first.parent.iterdir()) if first.parent.is_dir() else ():
        label = path.name.removeprefix(f"{start}.").removesuffix(SUFFIX)
        if path.name == f"{start}.{label}{SUFFIX}" and is_label(label) and path.is_file():
            found.append(path)
    return found


def is_label(text: str) -> bool:
    """Say whether a text can stand between a file's name and that of its bundle; ``oms`` stands for another format."""
    return text.isprintable() and 0 < len(text) <= 100 and text != "oms" and not set("/\\.") & set(text)


def read_bundle_file(path: Path) -> bytes:
    """Return the bytes of a bundle, at most one more than any bundle has.

    Raises:
        WeighlockError: It cannot be read.
    """
    return _read(path, LARGEST + 1, "the bundle")


def read_key_file(path: Path) -> bytes:
    """Return the bytes of a file with keys or certificates.

    Raises:
        WeighlockError: It cannot be read.
    """
    return _read(path, _LARGEST_KEYS, "a file with a key")


def _report(document: Document, bundles: Iterable[tuple[str, bytes]], trust: Trust, now: datetime) -> SignatureReport:
    counted = tally(bundles, trust, now=now, accept=document.require)
    return SignatureReport(document=document, tally=counted, warnings=_warnings(trust.signers, now))


def _warnings(signers: Iterable[TrustedSigner], now: datetime) -> tuple[str, ...]:
    from importlib.util import find_spec

    identities = [one for one in signers if isinstance(one, TrustedIdentity)]
    if not identities or find_spec("sigstore") is None:
        return ()
    from weighlock.signing.keyless import aged

    return tuple(dict.fromkeys(warning for one in identities if (warning := aged(one, now))))


def _read(path: Path, most: int, what: str) -> bytes:
    try:
        return read_regular(path, most)
    except OSError as error:
        reason = f"{what} cannot be read: {error.strerror}"
        raise WeighlockError(reason, where=str(path), hint="name a file that you may read") from error
