"""What archives of every kind have in common: entries, and what lets their readers disagree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from weighlock.formats.source import Budget, Source


class ArchiveEntry(Protocol):
    """One reading of one member."""

    @property
    def name(self) -> str:
        """As the reader would see it, not made safe."""

    def open(self, budget: Budget) -> Source:
        """Return the content.

        Raises:
            FormatError: No reader can open it.
            UnsupportedError: It cannot be unpacked here.
        """


class Archive:
    """A parsed archive.

    Attributes:
        entries: Every reading of every member.
        anomalies: Sorted names of what lets readers differ.
    """

    __slots__ = ()

    entries: Sequence[ArchiveEntry]
    anomalies: tuple[str, ...]
