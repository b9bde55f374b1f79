"""What every registry can do, whether it is the built-in store, an MLflow server or a registry of containers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from weighlock.promotion import Promoted, Resource


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is, or was, in force for a resource.

    Args:
        resource: The name that moves.
        version: Of the model in its registry.
        digest: Of the verification summary's bundle, ``sha256:…``.
        bundle: Its bytes; ``None`` where the registry remembers only the digest.
        time: When it came into force, as the registry says.
    """

    resource: Resource
    version: str
    digest: str
    bundle: bytes | None = field(default=None, repr=False)
    time: datetime | None = None


class Registry(Protocol):
    """A registry in which names move from version to version.

    Attributes:
        registry: One of `weighlock.promotion.REGISTRIES`.
        place: Where it is, for people, without credentials.
    """

    registry: str
    place: str

    def files(self, model: str, version: str) -> Mapping[str, str]:
        """Return the SHA-256 of each file of a version by its path, from bytes that were read now.

        Raises:
            SourceError: It is not there, or cannot be read.
        """

    def in_force(self, resource: Resource) -> Standing | None:
        """Return what a resource was moved to last, also where the name was taken away since; ``None`` for never.

        Raises:
            SourceError: It cannot be read.
        """

    def history(self, resource: Resource) -> Sequence[Standing]:
        """Return everything that was in force, the newest first.

        Raises:
            SourceError: It cannot be read.
        """

    def move(self, promoted: Promoted) -> None:
        """Attach a verification summary, and move its resource: both or neither.

        Args:
            promoted: Verified by the caller; the registry verifies it again.

        Raises:
            ForgedError: The registry refuses: it replaces something else than what is in force, or does not verify.
            SourceError: The registry cannot be reached; whether the resource moved has to be asked with `in_force`.
        """
