"""Verify bundles: by whom a statement was signed, and whether enough different signers signed.

What a bundle says about its signer (the hint of a key, the ``keyid``) decides nothing: every trusted signer that could
have made such a signature is tried.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.errors import ForgedError, UnsupportedError, WeighlockError
from weighlock.signing.bundle import Bundle, CertificateMaterial, digest_of, read_bundle
from weighlock.signing.statement import Statement, read_statement
from weighlock.signing.trust import Trust, TrustedCertificate, TrustedKey, TrustedSigner, people, person_mark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from weighlock.artifact import Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A signature that verifies, by somebody who is trusted.

    Args:
        signer: The name that the policy gives them.
        identity: What was verified of them: ``key sha256:…``, or the identity in the certificate.
        key: Digest of the public key that verified the signature.
        statement: What they signed.
        bundle: Digest of the bundle.
    """

    signer: str
    identity: str
    key: Digest
    statement: Statement
    bundle: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class NotCounted:
    """A bundle that does not count.

    Args:
        bundle: Its name.
        why: One sentence.
        hint: The one next step, where there is one.
        undecided: Nobody could look, so that it might count.
    """

    bundle: str
    why: str
    hint: str | None = None
    undecided: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Who signed.

    Args:
        counted: Name of a bundle, and what was verified, for each that counts.
        not_counted: The others, and why.
        signers: How many different signers they come from.
        threshold: How many it takes.
    """

    counted: tuple[tuple[str, Verified], ...]
    not_counted: tuple[NotCounted, ...]
    signers: int
    threshold: int

    @property
    def reached(self) -> bool:
        """Whether enough different signers signed."""
        return self.signers >= self.threshold

    def require(self) -> None:
        """Refuse too few signers.

        Raises:
            ForgedError: There are too few.
            UnsupportedError: There are too few, and one could not be looked at.
        """
        if self.reached:
            return
        undecided = [one for one in self.not_counted if one.undecided]
        kind = UnsupportedError if undecided else ForgedError
        one = next(iter(undecided or self.not_counted), None)
        reason = f"; {one.bundle}: {one.why}" if one else ", there is no signature"
        message = f"signed by {self.signers} of the {self.threshold} signers that it takes{reason}"
        raise kind(message, hint=one.hint if one else "sign it with `weighlock sign`")


def verify_bundle(data: bytes, signers: Sequence[TrustedSigner], *, now: datetime) -> Verified:
    """Verify one bundle.

    It says nothing about the statement's type or subjects: whoever calls has to compare those.

    Args:
        data: The bundle.
        signers: Whose signatures count.
        now: The time, for certificates that no log and no authority dates.

    Returns:
        Who signed what.

    Raises:
        ForgedError: It is broken, the signature does not verify, or nobody who is trusted made it.
        UnsupportedError: Nobody could look: it is of another version, or the extra is not installed.

    Source:
        Sigstore's client specification, "Verification"; DSSE v1.0.2.
    """
    bundle = read_bundle(data)
    able = [signer for signer in signers if isinstance(signer, TrustedKey) != _has_certificate(bundle)]
    failures: list[WeighlockError] = []
    for signer in able:
        try:
            identity, key = _verify_by(bundle, data, signer, now)
        except (ForgedError, UnsupportedError) as error:
            failures.append(error)
            continue
        statement = read_statement(bundle.envelope.payload)
        return Verified(signer=signer.name, identity=identity, key=key, statement=statement, bundle=digest_of(data))
    raise _why_not(bundle, failures)


def tally(
    bundles: Iterable[tuple[str, bytes]],
    trust: Trust,
    *,
    now: datetime,
    accept: Callable[[Statement], None],
) -> Tally:
    """Count the different signers of some bundles.

    Args:
        bundles: Name and bytes of each.
        trust: Whose signatures count, and how many it takes.
        now: The time.
        accept: Raises `ForgedError` for a statement that is not about what is to be verified.

    Returns:
        Who signed. One person counts once, under whatever names, with whatever keys and in however many bundles;
        bundles of others, and broken ones, count for nothing and are named.
    """
    counted: list[tuple[str, Verified]] = []
    others: list[NotCounted] = []
    for name, data in bundles:
        try:
            verified = verify_bundle(data, trust.signers, now=now)
            accept(verified.statement)
        except (ForgedError, UnsupportedError) as error:
            undecided = isinstance(error, UnsupportedError)
            others.append(NotCounted(bundle=name, why=str(error), hint=error.hint, undecided=undecided))
        else:
            counted.append((name, verified))
    marks = people(trust.signers, tuple((one.signer, f"key {one.key}") for _, one in counted))
    signers = {marks[person_mark(one.signer)] for _, one in counted}
    return Tally(counted=tuple(counted), not_counted=tuple(others), signers=len(signers), threshold=trust.threshold)


def _has_certificate(bundle: Bundle) -> bool:
    return isinstance(bundle.material, CertificateMaterial)


def _verify_by(bundle: Bundle, data: bytes, signer: TrustedSigner, now: datetime) -> tuple[str, Digest]:
    """Return the identity and the digest of the key, if this signer made the signature."""
    if isinstance(signer, TrustedKey):
        signer.key.verify(bundle.envelope.signature, bundle.envelope.to_sign)
        return f"key {signer.key.digest}", signer.key.digest
    if isinstance(signer, TrustedCertificate):
        from weighlock.signing import certificate

        return signer.identity, certificate.verify(bundle, signer, now=now).digest
    from weighlock.signing import keyless

    return signer.identity, keyless.verify(bundle, data, signer)


def _why_not(bundle: Bundle, failures: list[WeighlockError]) -> WeighlockError:
    undecided = next((error for error in failures if isinstance(error, UnsupportedError)), None)
    if undecided is not None:
        return undecided
    if len(failures) == 1:
        return failures[0]
    kind = "a certificate" if _has_certificate(bundle) else "a key"
    said = "; ".join(dict.fromkeys(str(error) for error in failures))
    return ForgedError(f"signed with {kind}, and by none of the signers that are trusted{f': {said}' if said else ''}")
