"""A folder against what somebody signed about a model: every file that was signed, and no other.

1. collect: every name below the folder, those of tools included;
2. identify: hash what was signed, by the algorithm that was signed;
3. verify: names, sizes and digests one by one, never the root digest, which covers no name.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.errors import (
    DigestMismatchError,
    ForgedError,
    SourceError,
    UnsupportedError,
    UsageError,
    WeighlockError,
)
from weighlock.files import read_regular
from weighlock.gates.collect import Collector
from weighlock.gates.verify import CHANGED, EXTRA, GOOD, MISSING, UNREADABLE, UNSIGNED, VerifiedFile, VerifyReport
from weighlock.signing.bundle import LARGEST
from weighlock.signing.oms import manifest_of
from weighlock.signing.oms_digests import digests, require_algorithm
from weighlock.signing.verification import tally
from weighlock.sources.directory import opened, stamp_of
from weighlock.sources.interface import Silence
from weighlock.sources.transport import Transport
from weighlock.sources.whole_folder import list_everything
from weighlock.toml import is_printable
from weighlock.verdict import Decision, Reason, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from weighlock.gates.deciding import Decider
    from weighlock.lockfile import LockedModel
    from weighlock.signing.oms import Manifest
    from weighlock.signing.trust import Trust
    from weighlock.signing.verification import Tally
    from weighlock.sources.interface import Progress
    from weighlock.sources.whole_folder import Name

MAY_BE_UNSIGNED = frozenset({".gitattributes", ".gitignore"})
"""Files at the top of a folder that may lie there unsigned, if their signer said that they were left out, since every
Hub adds them and `model_signing` signs neither unless it is told to. They are small texts, or they are refused."""

_LARGEST_UNSIGNED = 64 << 10
_TEXT = frozenset({*range(0x20, 0x7F), 0x09, 0x0A, 0x0D})


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedModel:
    """A folder that is compared with what was signed.

    Args:
        manifest: What was signed.
        tally: By whom.
        report: What is not as it was signed.
    """

    manifest: Manifest
    tally: Tally
    report: VerifyReport


def require_locked(manifest: Manifest, model: LockedModel) -> None:
    """Demand that what was signed is a locked model: its name, and the digest of every locked file.

    Args:
        manifest: What was signed.
        model: Of the lockfile.

    Raises:
        ForgedError: It is another one.
        UnsupportedError: It was signed by digests that a lockfile does not have.
    """
    if manifest.name != model.name:
        raise ForgedError(f"the signature is for the model {manifest.name[:200]!r}")
    if manifest.algorithm != "sha256":
        raise UnsupportedError(f"its digests are {manifest.algorithm}, and the lockfile has sha256")
    for file in model.files:
        parts = manifest.files.get(file.path, ())
        if not parts:
            raise ForgedError(f"{file.path} is locked and not signed")
        if len(parts) != 1 or parts[0].end is not None:
            raise UnsupportedError(f"{file.path} is signed in parts, and the lockfile has the digest of the whole")
        if parts[0].digest != file.sha256:
            raise ForgedError(f"{file.path} has other bytes than were signed")


def verify_model(
    signatures: Sequence[Path],
    folder: Path,
    trust: Trust,
    *,
    now: datetime,
    name: str | None = None,
    progress: Progress | None = None,
    decider: Decider | None = None,
) -> SignedModel:
    """Verify the signatures of a model, and that its folder holds what was signed and nothing else.

    Args:
        signatures: Bundles of OpenSSF Model Signing, each by one signer and all of the same files.
        folder: The model.
        trust: Whose signatures count, and how many it takes.
        now: The time, for certificates.
        name: What the model has to be called.
        progress: Is told what is hashed.
        decider: Records what came of it.

    Raises:
        ForgedError: Too few of those who are trusted signed, or what they signed says nothing that can be believed.
        UnsupportedError: It cannot be decided: a signature, or the type of its digests, is not known here.
        UsageError: A file or the folder is not there.
        SourceError: The folder cannot be read.
    """
    manifests: list[Manifest] = []
    found = tally(
        [(str(place), _read(place)) for place in signatures],
        trust,
        now=now,
        accept=lambda statement: _agree(manifests, manifest_of(statement)),
    )
    try:
        found.require()
        report = verify_folder(manifests[0], folder, signatures=signatures, name=name, progress=progress)
    except WeighlockError:
        _record(folder, found, decider, "not-signed")
        raise
    _record(folder, found, decider, "not-signed" if report.exit_code else "signed")
    return SignedModel(manifest=manifests[0], tally=found, report=report)


def verify_folder(
    manifest: Manifest,
    folder: Path,
    *,
    signatures: Sequence[Path] = (),
    name: str | None = None,
    progress: Progress | None = None,
) -> VerifyReport:
    """Compare a folder with a manifest whose signature was verified.

    Args:
        manifest: What was signed.
        folder: The model.
        signatures: The files with the signatures, which may lie in the folder and are not part of the model.
        name: What the model has to be called.
        progress: Is told what is hashed.

    Raises:
        UsageError: There is no such folder.
        ForgedError: The signature is for a model of another name.
        UnsupportedError: Its digests cannot be computed here.
        SourceError: The folder cannot be read.
    """
    if name is not None and manifest.name != name:
        raise ForgedError(
            f"the signature is for the model {manifest.name!r}, not {name!r}", hint="give the signature of this model"
        )
    if not folder.is_dir():
        raise UsageError("is not the folder of a model", where=str(folder))
    require_algorithm(manifest.algorithm)
    there = {item.path: item for item in list_everything(folder) if not _is_signature(item, signatures)}
    signed = [(path, there[path]) for path in sorted(manifest.files) if path in there]
    progress = progress or Silence()
    progress.expect(sum(item.size for _, item in signed))
    with Collector(Transport(), progress, offline=True) as collector:
        tick = collector.progress.advance
        compared = collector.map(lambda item: _compare(manifest, item[1], folder, tick), signed)
    missing = [_found(folder, path, MISSING, "is signed and not there") for path in manifest.files if path not in there]
    others = [_other(manifest, folder, item) for path, item in there.items() if path not in manifest.files]
    return VerifyReport(files=(*compared, *missing, *others))


def _record(folder: Path, found: Tally, decider: Decider | None, rule: str) -> None:
    if decider is not None:
        decision = Decision.ALLOW if rule == "signed" else Decision.DENY
        verdict = Verdict(decision=decision, reasons=(Reason(rule=rule, message=rule),))
        evidence = tuple(str(one.bundle) for _, one in found.counted)
        decider.record(os.path.realpath(folder), verdict, kind="model", digest=None, evidence=evidence)


def _compare(manifest: Manifest, item: Name, folder: Path, tick: Callable[[int], None]) -> VerifiedFile:
    parts, size = manifest.files[item.path], manifest.sizes.get(item.path)
    if item.problem:
        return _found(folder, item.path, CHANGED, item.problem)
    try:
        with opened(item.place) as (descriptor, found):
            stamp = stamp_of(descriptor)
            if size is not None and found != size:
                return _found(folder, item.path, CHANGED, f"has {found} bytes, {size} were signed")
            computed = digests(descriptor, found, parts, manifest.algorithm, tick)
            if stamp_of(descriptor) != stamp:
                return _found(folder, item.path, UNREADABLE, "changed while it was read")
    except (SourceError, DigestMismatchError) as error:
        return _found(folder, item.path, UNREADABLE, error.message)
    for part, digest in zip(parts, computed, strict=True):
        if digest != part.digest:
            what = f"has {manifest.algorithm} {digest}, signed was {part.digest}"
            return _found(folder, item.path, CHANGED, what)
    return _found(folder, item.path, GOOD, None)


def _other(manifest: Manifest, folder: Path, item: Name) -> VerifiedFile:
    if item.path in MAY_BE_UNSIGNED and item.path in manifest.ignored and _is_small_text(item):
        return _found(folder, item.path, UNSIGNED, "is not signed, as its signer said")
    ignored = any(item.path == path or item.path.startswith(f"{path}/") for path in manifest.ignored)
    why = "is not signed, and that its signer left it out is no reason to trust it" if ignored else "is not signed"
    return _found(folder, item.path, EXTRA, item.problem or why)


def _is_small_text(item: Name) -> bool:
    if item.problem or item.link or item.size > _LARGEST_UNSIGNED:
        return False
    with opened(item.place) as (descriptor, _):
        data = os.pread(descriptor, _LARGEST_UNSIGNED + 1, 0)
    return len(data) <= _LARGEST_UNSIGNED and _TEXT.issuperset(data)


def _is_signature(item: Name, signatures: Sequence[Path]) -> bool:
    """Say whether a name is the very signature that is verified, and not only a file of its name."""
    return not item.link and not item.problem and any(item.place.samefile(signature) for signature in signatures)


def _agree(known: list[Manifest], manifest: Manifest) -> None:
    """Demand that several signers signed the same files under the same name."""
    if known and (manifest.name, manifest.algorithm, manifest.files) != (
        known[0].name, known[0].algorithm, known[0].files
    ):  # fmt: skip
        raise ForgedError("signs other files than the signature before it")
    known.append(manifest)


def _read(place: Path) -> bytes:
    try:
        return read_regular(place, LARGEST + 1)
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=str(place)) from error


def _found(folder: Path, path: str, status: str, message: str | None) -> VerifiedFile:
    shown = path if is_printable(path) else ascii(path)
    return VerifiedFile(path=os.path.join(folder, shown), status=status, message=message)
