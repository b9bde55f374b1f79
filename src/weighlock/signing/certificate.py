"""Certificates of an authority of one's own: the chain, the time, the purpose, and exactly the pinned identity.

The library ``cryptography`` of the extra ``weighlock[sign]`` verifies the chain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from weighlock.errors import ForgedError, UnsupportedError, WeighlockError
from weighlock.signing.bundle import Bundle, CertificateMaterial
from weighlock.signing.library import first_line
from weighlock.signing.public_key import PublicKey

if TYPE_CHECKING:
    from datetime import datetime

    from weighlock.signing.trust import TrustedCertificate

_MOST_LINKS = 5
HINT = "pip install 'weighlock[sign]'"


def verify(bundle: Bundle, signer: TrustedCertificate, *, now: datetime) -> PublicKey:
    """Verify that a certificate's key signed a bundle, and that the certificate is the pinned signer's.

    A bundle has no time that anybody vouches for, so the certificates have to be valid now.

    1. the leaf leads to a root of the authority, at this time;
    2. it is for signing documents, and no authority itself;
    3. it names the identity, letter by letter;
    4. its key made the signature.

    Args:
        bundle: With certificates.
        signer: The authority and the identity.
        now: The time.

    Returns:
        The key in the certificate.

    Raises:
        ForgedError: A step fails.
        UnsupportedError: The extra is not installed.
        WeighlockError: The authority's own certificates cannot be read.

    Source:
        RFC 5280, sections 4.2.1.3, 4.2.1.6, 4.2.1.12 and 6.
    """
    x509 = _library()
    if not isinstance(bundle.material, CertificateMaterial):
        raise ForgedError("there is no certificate in the bundle")
    roots = read_roots(signer.roots, where=signer.name)
    try:
        leaf, *between = (x509.load_der_x509_certificate(data) for data in bundle.material.certificates)
        _require_chain(leaf, between, roots, now)  # 1
        _require_purpose(leaf)  # 2
        names = identities(leaf)
    except ForgedError:
        raise
    except Exception as error:
        raise ForgedError(f"the certificate cannot be read: {first_line(error)}") from error
    if signer.identity not in names:  # 3
        raise ForgedError(f"the certificate is not for {signer.identity!r} but for {_listed(names)}")
    key = key_of(leaf)
    key.verify(bundle.envelope.signature, bundle.envelope.to_sign)  # 4
    return key


def read_roots(data: bytes, *, where: str) -> list[Any]:
    """Read the certificates of an authority.

    Raises:
        WeighlockError: There is none, or one that cannot be read.
    """
    x509 = _library()
    try:
        roots: list[Any] = x509.load_pem_x509_certificates(data)
    except ValueError:
        roots = []
    if not roots:
        hint = "a certificate begins with -----BEGIN CERTIFICATE-----"
        raise WeighlockError("is no PEM file with certificates of an authority", where=where, hint=hint)
    return roots


def identities(leaf: Any) -> frozenset[str]:
    """Return the e-mail addresses and URIs that a certificate names; the common name of old is none of them."""
    x509 = _library()
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset(
        [*names.get_values_for_type(x509.RFC822Name), *names.get_values_for_type(x509.UniformResourceIdentifier)]
    )


def names_in(der: bytes) -> frozenset[str]:
    """Return the identities in a certificate, none where it cannot be read; nothing of it is verified."""
    try:
        return identities(_library().load_der_x509_certificate(der))
    except ValueError:
        return frozenset()


def key_of(leaf: Any) -> PublicKey:
    """Return the key in a certificate.

    Raises:
        ForgedError: It is of a kind that is not accepted.
    """
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    try:
        return PublicKey(leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    except Exception as error:  # the library has several, for keys that it does not know or that are none
        raise ForgedError(f"the certificate's key is not accepted: {first_line(error)}") from error


def _require_chain(leaf: Any, between: list[Any], roots: list[Any], now: datetime) -> None:
    from cryptography.x509 import ExtendedKeyUsage
    from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

    # Out of the box the library expects the purpose of a TLS client; `_require_purpose` demands ours.
    authorities = ExtensionPolicy.webpki_defaults_ca()
    signers = ExtensionPolicy.webpki_defaults_ee()
    verifier = (
        PolicyBuilder()
        .store(Store(roots))
        .time(now)
        .max_chain_depth(_MOST_LINKS)
        .extension_policies(
            ca_policy=authorities.may_be_present(ExtendedKeyUsage, Criticality.AGNOSTIC, None),
            ee_policy=signers.may_be_present(ExtendedKeyUsage, Criticality.AGNOSTIC, None),
        )
        .build_client_verifier()
    )
    if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
        raise ForgedError(
            f"the certificate is valid {leaf.not_valid_before_utc:%Y-%m-%d} to {leaf.not_valid_after_utc:%Y-%m-%d}",
            hint="sign again with a certificate that is valid",
        )
    try:
        verifier.verify(leaf, between)
    except VerificationError as error:
        raise ForgedError(f"the certificate does not lead to the authority: {first_line(error)}") from error


def _require_purpose(leaf: Any) -> None:
    x509 = _library()
    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
        purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        raise ForgedError("the certificate does not say that it is for signing documents") from None
    if not usage.digital_signature or usage.key_cert_sign:
        raise ForgedError("the certificate's key usage is not that of a signer (digitalSignature)")
    if x509.oid.ExtendedKeyUsageOID.CODE_SIGNING not in purposes:
        raise ForgedError("the certificate is not for signing (extended key usage codeSigning)")


def _listed(names: frozenset[str]) -> str:
    return ", ".join(repr(name[:200]) for name in sorted(names)[:3]) or "nobody (it names no e-mail address and no URI)"


def _library() -> Any:
    try:
        from cryptography import x509
    except ImportError:
        raise UnsupportedError("signatures by certificate need the extra weighlock[sign]", hint=HINT) from None
    return x509
