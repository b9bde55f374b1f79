"""The tree over all entries: roots and proofs, from whatever knows the hashes of its complete subtrees.

Files and databases differ in where hashes lie; what is computed from them is here, once. What verifies it is in
`weighlock.ledger.verifier`.

Source:
    RFC 6962, section 2.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.ledger.verifier import EMPTY_ROOT, node_hash

if TYPE_CHECKING:
    from collections.abc import Callable

    HashAt = Callable[[int, int], bytes]
    """Returns the hash of the complete subtree of ``2**level`` leaves, of which it is the one with that number."""


def root(size: int, hash_at: HashAt) -> bytes:
    """Return the root of the tree of the first `size` entries."""
    return _hash(0, size, hash_at) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, hash_at: HashAt) -> list[bytes]:
    """Return the siblings on the way from an entry to the root (RFC 6962, section 2.1.1).

    Raises:
        IndexError: The tree of that size has no such entry.
    """
    if not 0 <= index < size:
        raise IndexError(index)
    proof, start, stop = [], 0, size
    while stop - start > 1:
        middle = start + _left(stop - start)
        if index < middle:
            proof.append(_hash(middle, stop, hash_at))
            stop = middle
        else:
            proof.append(_hash(start, middle, hash_at))
            start = middle
    return proof[::-1]


def consistency_proof(old: int, new: int, hash_at: HashAt) -> list[bytes]:
    """Return what shows that a tree begins with an older one (RFC 6962, section 2.1.2).

    Raises:
        IndexError: The older one is the larger.
    """
    if not 0 <= old <= new:
        raise IndexError(old)
    if old in {0, new}:
        return []
    proof, start, stop = [], 0, new
    while old != stop:
        middle = start + _left(stop - start)
        if old <= middle:
            proof.append(_hash(middle, stop, hash_at))
            stop = middle
        else:
            proof.append(_hash(start, middle, hash_at))
            start = middle
    return ([_hash(start, stop, hash_at)] if start else []) + proof[::-1]


def _left(count: int) -> int:
    """Return the size of the left subtree: the largest power of two that is smaller."""
    return 1 << (count - 1).bit_length() - 1


def _hash(start: int, stop: int, hash_at: HashAt) -> bytes:
    count = stop - start
    level = count.bit_length() - 1
    if count == 1 << level:
        return hash_at(level, start >> level)
    middle = start + _left(count)
    return node_hash(_hash(start, middle, hash_at), _hash(middle, stop, hash_at))
