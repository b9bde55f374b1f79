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


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFile:
    """A wheel or an sdist that an installer would install.

    Args:
        name: Of its project, canonical as in PEP 503.
        version: Canonical as in PEP 440.
        filename: The last part of its URL or path.
        digest: Of all its bytes, where it is known: from the index before the download, from the bytes after it.
        size: Bytes, where it is known.
        url: Where it comes from, without credentials.
    """

    name: str
    version: str
    filename: str
    digest: Digest | None = None
    size: int | None = None
    url: str | None = None

    @property
    def pin(self) -> str:
        """The exact requirement, ``name==version``."""
        return f"{self.name}=={self.version}"


Artifact = ModelFile | PackageFile
