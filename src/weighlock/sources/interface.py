"""What all sources share: a file that can be had, a file that was fetched, and how progress is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from weighlock.lockfile import ModelSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A file that a source says it has.

    Args:
        path: Relative to the model, with ``/``.
        size: Bytes, where the source says so.
        sha256: The digest that the source announces; what it delivers must have it.
        git_id: The git blob id that the source announces, for files outside large-file storage.
        local: Where it lies, for sources on this machine.
    """

    path: str
    size: int | None = None
    sha256: str | None = None
    git_id: str | None = None
    local: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a source holds at one revision.

    Args:
        source: With the revision that was found.
        files: Sorted by path.
        license: As the source declares it.
    """

    source: ModelSource
    files: tuple[Offer, ...]
    license: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A file on this disk whose bytes were hashed by us.

    Args:
        place: In the quarantine, in a cache, or the local file itself.
        size: Bytes.
        sha256: Of all bytes.
        chunks: Digests of its chunks, for large files.
        git_id: The git blob id, for files that are small enough to lie outside large-file storage.
        quarantined: It must be published before anything may use it.
        stamp: Of a file that others can change, to notice that they did.
    """

    place: Path
    size: int
    sha256: str
    chunks: tuple[str, ...] = ()
    git_id: str | None = None
    quarantined: bool = False
    stamp: tuple[int, ...] | None = None


class Progress(Protocol):
    """Is told what a transfer does; called from several threads."""

    def expect(self, size: int) -> None:
        """Learn that so many more bytes will be handled."""

    def advance(self, size: int) -> None:
        """Learn that so many bytes were handled."""

    def say(self, line: str) -> None:
        """Show a line to the person who waits."""


class Silence:
    """Progress that nobody looks at."""

    def expect(self, size: int) -> None:
        """Ignore it."""

    def advance(self, size: int) -> None:
        """Ignore it."""

    def say(self, line: str) -> None:
        """Ignore it."""
