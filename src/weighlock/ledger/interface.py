"""What every ledger can do, whether it lies in files or in a database.

Source:
    RFC 6962, section 2 for the tree and its proofs; C2SP ``tlog-tiles`` and ``signed-note`` for checkpoints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from weighlock.ledger.keys import LedgerKey
    from weighlock.ledger.verifier import Checkpoint, Key


class Ledger(Protocol):
    """An append-only list of entries under one Merkle tree.

    Attributes:
        place: Where it is, for people.
        spool: The folder in which processes of this host record.
        key: Of the ledger.
    """

    place: str
    spool: str
    key: LedgerKey

    def sealed(self) -> int:
        """Return how many entries the published checkpoint is about."""

    def published(self) -> bytes | None:
        """Return the published checkpoint, or `None` where nothing was sealed."""

    def root(self, size: int) -> bytes:
        """Return the root of the tree when it had that size, as it was sealed."""

    def verify(self, key: Key, since: bytes | None) -> Checkpoint:
        """Verify every entry under the published checkpoint, and that it continues an older one.

        Raises:
            TamperedError: It is not what was sealed.
            LedgerError: It cannot be read, or nothing was ever sealed.
        """

    def append(self, entries: Sequence[bytes]) -> range:
        """Add entries, durably: when this returns, they survive a power cut.

        Returns:
            Their indices.

        Raises:
            LedgerError: They cannot be added; none of them was.
        """

    def size(self) -> int:
        """Return how many entries there are, sealed or not."""

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield entries by their indices.

        Raises:
            LedgerError: They are not there, or not as they were appended.
        """

    def seals(self) -> bool:
        """Say whether this host has the key, or may make it."""

    def checkpoint(self) -> bytes:
        """Seal everything that was appended, and return the signed note that says so.

        Raises:
            LedgerError: What is there does not continue what was sealed before.
        """

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """Return the proof that an entry is in the tree of that size, RFC 6962 section 2.1.1."""

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Return the proof that the tree of the new size continues that of the old one, RFC 6962 section 2.1.2."""
