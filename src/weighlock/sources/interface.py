"""What all sources share: a file that can be had, a file that was fetched, and how progress is told.

A kind of source that is not on this machine has two sides: a `Client` asks its server, and a `Store` keeps its files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from weighlock.lockfile import LockedModel, ModelSource
    from weighlock.sources.quarantine import Quarantine
    from weighlock.sources.transport import Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A file that a source says it has.

    Args:
        path: Relative to the model, with ``/``.
        size: Bytes, where the source says so.
        sha256: The digest that the source announces; what it delivers must have it.
        git_id: The git blob id that the source announces, for files outside large-file storage.
        local: Where it lies, for sources on this machine.
        announced: Who said so, where it was not the source.
    """

    path: str
    size: int | None = None
    sha256: str | None = None
    git_id: str | None = None
    local: Path | None = None
    announced: str | None = None


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


class Client(Protocol):
    """Asks the servers of one kind of source.

    Requests and sources are of that kind; `weighlock.gates.clients.Clients` sees to it.
    """

    def list(self, request: Any, old: LockedModel | None, *, upgrade: bool) -> Listing:
        """List what a request is about.

        Args:
            request: Such as a `weighlock.model_source.HubRequest`.
            old: What is locked of it.
            upgrade: Resolve the ref of what is locked anew.

        Raises:
            SourceError: The server cannot be reached, or answers nonsense.
        """

    def now(self, source: Any) -> ModelSource:
        """Find the revision that the ref of a source is now.

        Raises:
            SourceError: The server cannot be reached, or has no such thing any more.
        """

    def fetch(
        self, source: Any, offer: Offer, quarantine: Quarantine, transport: Transport, progress: Progress
    ) -> Fetched:
        """Download one file into the quarantine, hashed by us.

        Args:
            source: At the revision at which the file was listed or locked.
            offer: What is known about the file.
            quarantine: Where it waits.
            transport: For downloads.
            progress: Is told what happens.

        Raises:
            DigestMismatchError: The bytes are not those that were announced.
            SourceError: They cannot be had.
        """


class Store(Protocol):
    """Keeps the files of one kind of source on this disk."""

    apart: bool
    """A folder holds files of one model only."""

    @property
    def quarantine(self) -> Path:
        """Where downloads wait, on the same file system."""

    def folder(self, source: Any) -> Path:
        """Return the folder of a source, which need not exist."""

    def publish(self, source: Any, path: str, fetched: Fetched) -> Path:
        """Move a file out of the quarantine to where loaders look for it, and return its place.

        Raises:
            WeighlockError: The file system refuses; then nothing was published.
        """

    def finish(self, source: Any) -> None:
        """Do what is to be done when all files of a source are there."""


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
