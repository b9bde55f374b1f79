"""The lockfile for everything that acts on it: where the policy requires signatures, one that was signed.

The bytes that were verified are the bytes that are parsed: they are read once. Pinned keys are verified with the
standard library alone, because the guard works in environments that have nothing else.

1. trust: whose signatures count, from the policy and the keys that lie relative to it;
2. collect: ``models.lock.sigstore.json``, and ``models.lock.NAME.sigstore.json`` for each signer of that name;
3. verify: each by whoever it can be by, and for exactly these bytes as a lockfile;
4. decide: whether those are enough different signers.

A signature says who, and not when: an older lockfile with its own signature verifies, see ``docs/signatures.md``.
"""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from weighlock.errors import AdmissionError, PolicyError, UnsupportedError, WeighlockError
from weighlock.files import parse_lockfile, read_lockfile_bytes, read_regular

if TYPE_CHECKING:
    from weighlock.evidence_policy import EvidencePolicy, Signer
    from weighlock.lockfile import Lockfile
    from weighlock.signing.trust import Trust, TrustedSigner

SUFFIX = ".sigstore.json"


def read_signed(path: str | os.PathLike[str], evidence: EvidencePolicy, policy_path: str | None) -> Lockfile:
    """Read a lockfile that is acted on, with the signatures that the policy requires.

    Args:
        path: Of the lockfile; its signatures lie beside it.
        evidence: Whose signatures count, and how many it takes.
        policy_path: Where that was read; the keys lie relative to it.

    Raises:
        LockfileError: The lockfile is missing, unreadable or broken.
        AdmissionError: It is not signed as the policy requires.
        WeighlockError: A key or a signature cannot be read, so that nothing can be decided.
    """
    data = read_lockfile_bytes(path)
    if not evidence.require_signature:
        return parse_lockfile(data, path)
    signed_by = require_signatures(data, os.fspath(path), evidence, policy_path)
    return replace(parse_lockfile(data, path), signed_by=signed_by)


def require_signatures(
    data: bytes, path: str, evidence: EvidencePolicy, policy_path: str | None, *, now: datetime | None = None
) -> tuple[str, ...]:
    """Demand that enough different signers signed exactly these bytes as a lockfile.

    Args:
        data: The lockfile.
        path: Where it was read.
        evidence: Whose signatures count, and how many it takes.
        policy_path: Where that was read.
        now: The time, for certificates.

    Returns:
        The names of those who signed.

    Raises:
        AdmissionError: They did not.
        WeighlockError: A pinned key cannot be read, or a signature cannot be judged in this environment.
    """
    from weighlock.signing.lockfile_statement import require_about
    from weighlock.signing.verification import tally

    trust = trust_of(evidence, policy_path)
    bundles, unreadable = _collect(path, evidence)
    found = tally(bundles, trust, now=now or datetime.now(UTC), accept=lambda statement: require_about(statement, data))
    if found.reached:
        return tuple(sorted({verified.signer for _, verified in found.counted}))
    problems = [*unreadable, *(f"{one.bundle}: {one.why}" for one in found.not_counted)]
    who = ", ".join(sorted({verified.signer for _, verified in found.counted}))
    names = ", ".join(sorted({signer.name for signer in trust.signers}))
    count = f"{found.signers} ({who})" if found.signers else "none"
    message = "; ".join(
        [f"the policy requires the signatures of {trust.threshold} of {names}, and {count} counts", *problems]
    )
    beside = ", each after the first with `--as NAME`, as the policy calls them" if trust.threshold > 1 else ""
    hint = f"`weighlock sign {os.path.basename(path)} --key FILE`, by the key of {names}{beside}"
    undecided = [one.hint for one in found.not_counted if one.undecided]
    if unreadable or undecided:
        raise UnsupportedError(message, where=path, hint=next(filter(None, undecided), hint))
    raise AdmissionError(message, where=path, hint=hint)


def trust_of(evidence: EvidencePolicy, policy_path: str | None) -> Trust:
    """Return whose signatures count, with their keys.

    Raises:
        WeighlockError: A key cannot be read.
    """
    from weighlock.signing.trust import Trust

    return Trust(signers=trusted_signers(evidence.signers, policy_path), threshold=evidence.threshold)


def trusted_signers(signers: tuple[Signer, ...], policy_path: str | None) -> tuple[TrustedSigner, ...]:
    """Return some signers of a policy, with their keys.

    Raises:
        WeighlockError: A key cannot be read.
    """
    folder = os.path.dirname(os.path.abspath(policy_path)) if policy_path else os.getcwd()
    return tuple(_trusted(signer, folder) for signer in signers)


def signatures_beside(path: str | os.PathLike[str], evidence: EvidencePolicy) -> tuple[str, ...]:
    """Return the signatures that lie beside a lockfile, verified or not."""
    names = ["", *(f".{signer.name}" for signer in evidence.signers if _is_file_name(signer.name))]
    places = (f"{os.fspath(path)}{name}{SUFFIX}" for name in names)
    return tuple(place for place in places if os.path.lexists(place))


def problem_of(path: str | os.PathLike[str], evidence: EvidencePolicy, policy_path: str | None) -> str | None:
    """Return why a lockfile that is about to be changed is not signed as the policy requires, or ``None`` if it is."""
    if not evidence.require_signature or not os.path.lexists(path):
        return None
    try:
        require_signatures(read_lockfile_bytes(path), os.fspath(path), evidence, policy_path)
    except WeighlockError as error:
        return error.message
    return None


def _collect(path: str, evidence: EvidencePolicy) -> tuple[list[tuple[str, bytes]], list[str]]:
    """Return the signatures beside a lockfile with their names, and what cannot be read of them."""
    from weighlock.signing.bundle import LARGEST

    bundles, unreadable = [], []
    for place in signatures_beside(path, evidence):
        name = os.path.basename(place)
        try:
            bundles.append((name, read_regular(place, LARGEST + 1)))
        except OSError as error:
            unreadable.append(f"{name}: cannot be read: {error.strerror}")
    return bundles, unreadable


def _is_file_name(name: str) -> bool:
    return name.isprintable() and not {"/", "\\", "\0"} & set(name)


def _trusted(signer: Signer, folder: str) -> TrustedSigner:
    from weighlock.signing.public_key import LARGEST, read_public_key
    from weighlock.signing.trust import TrustedCertificate, TrustedIdentity, TrustedKey

    if signer.key is not None:
        place = os.path.join(folder, signer.key)
        return TrustedKey(name=signer.name, key=read_public_key(_read(place, LARGEST), where=place))
    if signer.identity is None:
        raise PolicyError("has neither a key nor an identity", where=signer.name)
    if signer.certificate is not None:
        roots = _read(os.path.join(folder, signer.certificate), 1 << 20)
        return TrustedCertificate(name=signer.name, roots=roots, identity=signer.identity)
    return TrustedIdentity(name=signer.name, identity=signer.identity, issuer=signer.issuer or "")


def _read(place: str, most: int) -> bytes:
    try:
        data = read_regular(place, most + 1)
    except OSError as error:
        hint = "put the public key there, FILE.pub of `weighlock sign --generate-key FILE`, or correct the policy"
        raise PolicyError(f"cannot be read: {error.strerror}", where=place, hint=hint) from error
    return data
