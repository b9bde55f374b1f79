"""Signing statements with the key of a ledger: what one developer has without making a key.

What a ledger's key signs otherwise are notes, which begin with a name without spaces; what is signed here begins with
``DSSEv1`` and a space, so that neither can be taken for the other.

Source:
    DSSE v1.0.2; RFC 8032; C2SP ``signed-note``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.signing.bundle import Bundle, KeyMaterial
from weighlock.signing.dsse import Envelope
from weighlock.signing.public_key import PublicKey

if TYPE_CHECKING:
    from weighlock.ledger.note import SigningKey

_SPKI = bytes.fromhex("302a300506032b6570032100")
"""What stands before an Ed25519 key in its SubjectPublicKeyInfo (RFC 8410)."""


@dataclass(frozen=True, slots=True)
class LedgerSigner:
    """Signs statements with the key of a ledger.

    Args:
        key: The private key.
    """

    key: SigningKey

    @property
    def public(self) -> PublicKey:
        """The public half, as it is pinned."""
        return PublicKey(_SPKI + self.key.public.public)

    @property
    def who(self) -> str:
        """The digest of the public key."""
        return f"key {self.public.digest}"

    def sign(self, statement: bytes) -> Bundle:
        """Sign an in-toto statement."""
        hint = self.public.hint
        message = Envelope(payload=statement, signature=b"", keyid=hint).to_sign
        envelope = Envelope(payload=statement, signature=self.key.sign(message), keyid=hint)
        return Bundle(envelope=envelope, material=KeyMaterial(hint=hint))
