"""Public keys that can be pinned.

ECDSA over P-256, and Ed25519, are verified with the standard library alone; P-384 and P-521, which publishers of models
use as well, by the library of the extra ``weighlock[sign]``.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from weighlock.artifact import Digest
from weighlock.errors import ForgedError, UnsupportedError, WeighlockError

P256 = "ecdsa-p256"
ED25519 = "ed25519"
P384 = "ecdsa-p384"
P521 = "ecdsa-p521"
LARGEST = 64 << 10
"""Bytes of a file with a key."""

_PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----\s+([A-Za-z0-9+/=\s]+?)\s+-----END PUBLIC KEY-----\s*\Z")
_PREFIXES = {
    P256: bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004"),
    ED25519: bytes.fromhex("302a300506032b6570032100"),
    P384: bytes.fromhex("3076301006072a8648ce3d020106052b8104002203620004"),
    P521: bytes.fromhex("30819b301006072a8648ce3d020106052b8104002303818600" + "04"),
}
"""What stands before the numbers of a key in its SubjectPublicKeyInfo, which has one DER form (RFC 5480, RFC 8410)."""
_LENGTHS = {P256: 64, ED25519: 32, P384: 96, P521: 132}


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key in its one DER form.

    Args:
        der: The SubjectPublicKeyInfo.

    Raises:
        UnsupportedError: It is of a kind that is not accepted here.
    """

    der: bytes

    def __post_init__(self) -> None:
        self._split()

    @property
    def kind(self) -> str:
        """`P256`, `ED25519`, `P384` or `P521`."""
        return self._split()[0]

    @property
    def raw(self) -> bytes:
        """The key's numbers: x and y, or the 32 bytes of Ed25519."""
        return self._split()[1]

    @property
    def digest(self) -> Digest:
        """Of the DER form; it names the key."""
        return Digest.sha256(sha256(self.der).hexdigest())

    @property
    def hint(self) -> str:
        """How a bundle names the key, as other tools of Sigstore write it."""
        return base64.b64encode(sha256(self.der).digest()).decode()

    @property
    def pem(self) -> bytes:
        """As a file."""
        text = base64.b64encode(self.der)
        lines = [text[start : start + 64] for start in range(0, len(text), 64)]
        return b"\n".join([b"-----BEGIN PUBLIC KEY-----", *lines, b"-----END PUBLIC KEY-----", b""])

    def _split(self) -> tuple[str, bytes]:
        for kind, prefix in _PREFIXES.items():
            if self.der.startswith(prefix) and len(self.der) == len(prefix) + _LENGTHS[kind]:
                return kind, self.der[len(prefix) :]
        raise UnsupportedError("it is a key of another kind than ECDSA (P-256, P-384, P-521) and Ed25519")

    def verify(self, signature: bytes, message: bytes) -> None:
        """Verify a signature: ECDSA in DER with the hash of its curve's length, or Ed25519 over the message itself.

        Raises:
            ForgedError: It is not this key's signature of the message.
            UnsupportedError: The key is of a curve that needs the extra, which is not installed.

        Source:
            FIPS 186-5; RFC 8032; Sigstore's algorithm registry.
        """
        from weighlock.ledger import verifier

        if self.kind in (P384, P521):
            _verify_with_library(self, signature, message)
            return
        try:
            if self.kind == P256:
                verifier.verify_p256(self.der, signature, message)
            else:
                verifier.verify_ed25519(self.raw, signature, message)
        except verifier.VerificationError as error:
            raise ForgedError("the signature does not verify") from error


def _verify_with_library(key: PublicKey, signature: bytes, message: bytes) -> None:
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError:
        hint = "pip install 'weighlock[sign]', or pin a key over P-256"
        raise UnsupportedError(f"a key of the kind {key.kind} needs the extra weighlock[sign]", hint=hint) from None
    algorithm = hashes.SHA384() if key.kind == P384 else hashes.SHA512()
    try:
        public: Any = serialization.load_der_public_key(key.der)
        public.verify(signature, message, ec.ECDSA(algorithm))
    except (InvalidSignature, ValueError) as error:  # a point that is not on the curve is no key
        raise ForgedError("the signature does not verify") from error


def read_public_key(data: bytes, *, where: str) -> PublicKey:
    """Parse a PEM file with one public key.

    Raises:
        WeighlockError: It holds something else.

    Source:
        RFC 7468, section 13.
    """
    hint = "a public key begins with -----BEGIN PUBLIC KEY-----"
    if b"PRIVATE KEY" in data:
        raise WeighlockError("holds a private key", where=where, hint=f"name the public one; {hint}")
    match = _PEM.match(data.lstrip()) if len(data) <= LARGEST else None
    if match is None:
        raise WeighlockError("is no PEM file with one public key", where=where, hint=hint)
    try:
        return PublicKey(base64.b64decode(b"".join(match[1].split()), validate=True))
    except ValueError:
        raise WeighlockError("is no PEM file with one public key", where=where, hint=hint) from None
    except UnsupportedError as error:
        error.where, error.hint = where, "make one with `weighlock sign --generate-key FILE`"
        raise
