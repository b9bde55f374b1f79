"""Signing checkpoints: Ed25519 in Python alone, since a ledger has to work where nothing else is installed.

Some milliseconds for each checkpoint, and no protection against somebody who can measure this process to the
microsecond: who can do that on this machine can read the key, too. The decision is in
``docs/adr/0016-the-ledger-is-files-with-one-verifier.md``.

Source:
    RFC 8032, section 5.1; C2SP ``signed-note`` (the form of the key is that of Go's ``note`` package) and
    ``tlog-checkpoint``.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field
from functools import cached_property

from weighlock.errors import LedgerError
from weighlock.ledger.verifier import ED25519_BASE, ED25519_ORDER, Key, ed25519_encode, ed25519_multiply

_PREFIX = "PRIVATE+KEY"
_SEED_SIZE = 32
_NAME = re.compile(r"[!-*,-~]{1,200}\Z")
"""What a log may be called: printable, without spaces and without plus signs."""


@dataclass(frozen=True, kw_only=True)
class SigningKey:
    """The private key of a ledger, and the name under which it signs.

    Args:
        name: The origin of the ledger.
        seed: 32 random bytes.
    """

    name: str
    seed: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not _NAME.match(self.name) or len(self.seed) != _SEED_SIZE:
            raise LedgerError("a ledger's name has no spaces and no plus signs", where=f"{self.name!r:.80}")

    @classmethod
    def from_text(cls, text: str) -> SigningKey:
        """Parse ``PRIVATE+KEY+name+hash+base64``.

        Raises:
            LedgerError: It is no such key.
        """
        try:
            prefix, name, hashed, encoded = text.strip().removeprefix(_PREFIX).split("+", 3)
            data = base64.b64decode(encoded, validate=True)
        except ValueError:
            raise LedgerError("it is no private key of a ledger") from None
        key = cls(name=name, seed=data[1:]) if not prefix and data[:1] == b"\x01" else None
        if key is None or key.public.id(name).hex() != hashed:
            raise LedgerError("it is no private key of a ledger")
        return key

    def to_text(self) -> str:
        """Return the line that `from_text` reads."""
        encoded = base64.b64encode(b"\x01" + self.seed).decode()
        return f"{_PREFIX}+{self.name}+{self.public.id(self.name).hex()}+{encoded}\n"

    @cached_property
    def public(self) -> Key:
        """The public key, with its name."""
        return Key(self.name, "ed25519", ed25519_encode(ed25519_multiply(self._scalar, ED25519_BASE)))

    @property
    def vkey(self) -> str:
        """The public key as a line that verifiers take."""
        encoded = base64.b64encode(b"\x01" + self.public.public).decode()
        return f"{self.name}+{self.public.id(self.name).hex()}+{encoded}"

    def sign(self, message: bytes) -> bytes:
        """Return the signature of RFC 8032."""
        nonce = _number(self._expanded[32:] + message)
        point = ed25519_encode(ed25519_multiply(nonce, ED25519_BASE))
        scalar = (nonce + _number(point + self.public.public + message) * self._scalar) % ED25519_ORDER
        return point + scalar.to_bytes(32, "little")

    def checkpoint(self, size: int, root: bytes) -> bytes:
        """Return the signed note about a tree."""
        text = f"{self.name}\n{size}\n{base64.b64encode(root).decode()}\n"
        signature = base64.b64encode(self.public.id(self.name) + self.sign(text.encode())).decode()
        return f"{text}\n\u2014 {self.name} {signature}\n".encode()

    @cached_property
    def _expanded(self) -> bytes:
        return hashlib.sha512(self.seed).digest()

    @property
    def _scalar(self) -> int:
        number = int.from_bytes(self._expanded[:32], "little")
        return number & ((1 << 254) - 8) | 1 << 254


def _number(data: bytes) -> int:
    return int.from_bytes(hashlib.sha512(data).digest(), "little") % ED25519_ORDER
