"""Whoever can sign: a key in a file or a device, a certificate, an identity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from weighlock.signing.bundle import Bundle


class Signer(Protocol):
    """Signs statements."""

    @property
    def who(self) -> str:
        """Who signs, for people: a digest of a key, or an identity."""

    def sign(self, statement: bytes) -> Bundle:
        """Sign an in-toto statement.

        Args:
            statement: Its bytes, which are signed as they are.

        Raises:
            WeighlockError: The key, the device or the service did not sign.
        """
