"""Artifacts: what may be admitted, and the digests that identify them."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True)
class Digest:
    """An algorithm and a value, never apart.

    Args:
        algorithm: Only ``sha256``.
        value: Lower-case hexadecimal.

    Raises:
        ValueError: The value is not a digest of that algorithm.
    """

    algorithm: str
    value: str

    def __post_init__(self) -> None:
        if self.algorithm != "sha256" or not _SHA256.match(self.value):
            raise ValueError(f"not a sha256 digest: {self.algorithm}:{self.value}")

    @classmethod
    def sha256(cls, value: str) -> Digest:
        """Make a SHA-256 digest from 64 lower-case hexadecimal digits."""
        return cls("sha256", value)

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """A file that a machine-learning library would load.

    Args:
        path: Where it was found, for people; identity is the digest.
        size: Bytes.
        digest: Of all its bytes, where it was computed.
        format: A short name such as ``safetensors`` or ``torch-zip``.
    """

    path: str
    size: int
    digest: Digest | None = None
    format: str | None = None
