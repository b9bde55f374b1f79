"""The roots of a tree that grows: the hashes of its complete subtrees are all that has to be kept.

Source:
    RFC 6962, section 2.1.
"""

from __future__ import annotations

from weighlock.ledger.verifier import EMPTY_ROOT, HASH_SIZE, leaf_hash, node_hash


class Frontier:
    """The complete subtrees of a tree, from the left to the right.

    Args:
        size: How many entries the tree has.
        hashes: Of its complete subtrees, one after the other.

    Raises:
        ValueError: A tree of that size has another number of them.
    """

    def __init__(self, size: int = 0, hashes: bytes = b"") -> None:
        self.size = size
        self._parts = [hashes[place : place + HASH_SIZE] for place in range(0, len(hashes), HASH_SIZE)]
        if len(hashes) != size.bit_count() * HASH_SIZE:
            raise ValueError("not the hashes of a tree of that size")

    @property
    def hashes(self) -> bytes:
        """What another one is made from."""
        return b"".join(self._parts)

    def add(self, entry: bytes) -> None:
        """Add an entry."""
        node, left = leaf_hash(entry), self.size
        while left & 1:
            node, left = node_hash(self._parts.pop(), node), left >> 1
        self._parts.append(node)
        self.size += 1

    def root(self) -> bytes:
        """Return the root of the tree as it is."""
        if not self._parts:
            return EMPTY_ROOT
        root = self._parts[-1]
        for part in reversed(self._parts[:-1]):
            root = node_hash(part, root)
        return root
