"""Signing with a certificate: a key, and who an authority says its holder is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from weighlock.errors import ForgedError, UsageError
from weighlock.signing.bundle import Bundle, CertificateMaterial
from weighlock.signing.certificate import identities, key_of, read_roots

if TYPE_CHECKING:
    from weighlock.signing.interface import Signer
    from weighlock.signing.public_key import PublicKey


@dataclass(frozen=True, slots=True)
class CertificateSigner:
    """Whoever holds the key of a certificate.

    Args:
        inner: Signs with that key.
        who: The identities in the certificate.
        chain: DER, the signer's own first.
    """

    inner: Signer
    who: str
    chain: tuple[bytes, ...]

    def sign(self, statement: bytes) -> Bundle:
        """Sign an in-toto statement."""
        bundle = self.inner.sign(statement)
        envelope = replace(bundle.envelope, keyid="")
        return replace(bundle, envelope=envelope, material=CertificateMaterial(certificates=self.chain))


def with_certificate(inner: Signer, public: PublicKey, pem: bytes, *, where: str) -> CertificateSigner:
    """Return what signs in the name that a certificate gives.

    Args:
        inner: Signs with the key.
        public: That key.
        pem: The certificate, and those between it and the authority.
        where: They come from.

    Raises:
        UsageError: It is the certificate of another key, or names nobody.
    """
    chain: list[Any] = read_roots(pem, where=where)
    try:
        certified = key_of(chain[0])
    except ForgedError as error:
        raise UsageError(error.message, where=where, hint="have a P-256 key certified") from error
    if certified != public:
        raise UsageError("the first certificate is not that of the key", where=where, hint="put the signer's first")
    names = identities(chain[0])
    if not names:
        hint = "have an e-mail address or a URI put into its subjectAltName"
        raise UsageError("the certificate names no identity that anybody could demand", where=where, hint=hint)
    from cryptography.hazmat.primitives.serialization import Encoding

    ders = tuple(one.public_bytes(Encoding.DER) for one in chain)
    return CertificateSigner(inner=inner, who=", ".join(sorted(names)), chain=ders)
