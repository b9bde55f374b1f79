"""The digests that Model Signing knows, of the parts of an open file."""

from __future__ import annotations

import hashlib
import os
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from weighlock.errors import DigestMismatchError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from weighlock.signing.oms import Part

_BUFFER = 1 << 20


def require_algorithm(algorithm: str) -> None:
    """Demand that files can be hashed with an algorithm.

    Raises:
        UnsupportedError: Its library is not installed.
    """
    if algorithm == "blake3" and find_spec("blake3") is None:
        raise UnsupportedError(
            "the model is signed by BLAKE3 digests, which nothing here can compute", hint="pip install blake3"
        )


def digests(
    descriptor: int, size: int, parts: Iterable[Part], algorithm: str, tick: Callable[[int], None] | None = None
) -> tuple[str, ...]:
    """Return the digest of each part of an open file.

    Args:
        descriptor: Read by offset; the file position does not change.
        size: Bytes of the file.
        parts: Which bytes.
        algorithm: ``sha256``, ``blake2b`` or ``blake3``.
        tick: Is told how many bytes were hashed; may raise to end it.

    Raises:
        DigestMismatchError: The file ends before a part does.

    Source:
        FIPS 180-4; RFC 7693 with digests of 64 bytes; the BLAKE3 specification with digests of 32.
    """
    return tuple(
        _digest(descriptor, part.start, size if part.end is None else part.end, _hasher(algorithm), tick)
        for part in parts
    )


def _digest(descriptor: int, start: int, end: int, hasher: Any, tick: Callable[[int], None] | None) -> str:
    while start < end:
        data = os.pread(descriptor, min(_BUFFER, end - start), start)
        if not data:
            raise DigestMismatchError("the file became shorter while it was read")
        hasher.update(data)
        start += len(data)
        if tick is not None:
            tick(len(data))
    value: str = hasher.hexdigest()
    return value


def _hasher(algorithm: str) -> Any:
    if algorithm != "blake3":
        return hashlib.new(algorithm)
    from blake3 import blake3

    return blake3()
