"""Signing with a private key of one's own: ECDSA over P-256, from a PEM text, encrypted by a passphrase or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weighlock.errors import UnsupportedError, UsageError
from weighlock.signing.bundle import Bundle, KeyMaterial
from weighlock.signing.dsse import Envelope
from weighlock.signing.encrypted_key import encrypted_pem
from weighlock.signing.public_key import LARGEST, P256, PublicKey

if TYPE_CHECKING:
    from collections.abc import Callable

HINT = "pip install 'weighlock[sign]'"


@dataclass(frozen=True, slots=True)
class LocalKey:
    """A private key in memory; it signs statements.

    Args:
        private: As the library ``cryptography`` holds it.
        public: Its public half.
    """

    private: Any
    public: PublicKey

    @property
    def who(self) -> str:
        """The digest of the public key."""
        return f"key {self.public.digest}"

    def sign(self, statement: bytes) -> Bundle:
        """Sign an in-toto statement."""
        envelope = Envelope(payload=statement, signature=b"", keyid=self.public.hint)
        signed = Envelope(payload=statement, signature=self.raw_signature(envelope.to_sign), keyid=self.public.hint)
        return Bundle(envelope=signed, material=KeyMaterial(hint=self.public.hint))

    def raw_signature(self, message: bytes) -> bytes:
        """Return the signature of a message, in DER."""
        library = require_cryptography()
        signature: bytes = self.private.sign(message, library.ec.ECDSA(library.hashes.SHA256()))
        return signature


@dataclass(frozen=True, slots=True)
class Library:
    """The parts of ``cryptography`` that are used here."""

    ec: Any
    hashes: Any
    serialization: Any


def require_cryptography() -> Library:
    """Return the library that signs.

    Raises:
        UnsupportedError: The extra is not installed.
    """
    try:
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError:
        raise UnsupportedError("signing needs the extra weighlock[sign]", hint=HINT) from None
    return Library(ec, hashes, serialization)


def generate() -> LocalKey:
    """Make a new key."""
    library = require_cryptography()
    return _local(library.ec.generate_private_key(library.ec.SECP256R1()), library)


def private_pem(key: LocalKey, passphrase: bytes | None) -> bytes:
    """Return the file of a private key, PKCS #8.

    Args:
        key: The key.
        passphrase: It is encrypted with; ``None`` leaves it readable to everybody who gets the file.
    """
    serialization = require_cryptography().serialization
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    if passphrase is not None:
        return encrypted_pem(key.private.private_bytes(serialization.Encoding.DER, form, plain), passphrase)
    pem: bytes = key.private.private_bytes(serialization.Encoding.PEM, form, plain)
    return pem


def is_encrypted(data: bytes) -> bool:
    """Say whether a PEM text with a private key needs a passphrase."""
    return b"BEGIN ENCRYPTED PRIVATE KEY" in data or b"Proc-Type: 4,ENCRYPTED" in data


def read_key(data: bytes, passphrase: Callable[[], bytes], *, where: str) -> LocalKey:
    """Read a private key.

    Args:
        data: PEM.
        passphrase: Is asked if it is encrypted.
        where: It comes from, for messages; the text of a key is never part of one.

    Raises:
        UsageError: It is no private key, the passphrase is wrong, or it is of a kind that does not sign here.
        UnsupportedError: The extra is not installed.
    """
    library = require_cryptography()
    if len(data) > LARGEST or b"PRIVATE KEY" not in data:
        raise UsageError("holds no private key", where=where, hint="make one with `weighlock sign --generate-key FILE`")
    secret = passphrase() if is_encrypted(data) else None
    try:
        private = library.serialization.load_pem_private_key(data, secret)
    except Exception:  # noqa: BLE001 - whatever it says of the key or the passphrase may not be repeated
        reason = "is no private key, or is broken" if secret is None else "cannot be opened with this passphrase"
        raise UsageError(reason, where=where) from None
    return _local(private, library, where)


def _local(private: Any, library: Library, where: str = "key") -> LocalKey:
    serialization = library.serialization
    encoding = serialization.Encoding.DER
    der = private.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo)
    try:
        public = PublicKey(der)
    except UnsupportedError:
        public = None
    if public is None or public.kind != P256:
        raise UsageError(
            "only ECDSA keys over P-256 sign here: every verifier knows them",
            where=where,
            hint="make one with `weighlock sign --generate-key FILE`",
        )
    return LocalKey(private, public)
