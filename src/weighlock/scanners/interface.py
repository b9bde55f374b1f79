"""What every scanner can do: say what it thinks of a file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self

    from weighlock.formats.opinion import Opinion


class Scanner(ABC):
    """Another program that judges files. Used as a context manager."""

    @abstractmethod
    def __enter__(self) -> Self:
        """Start it."""

    @abstractmethod
    def __exit__(self, *error: object) -> None:
        """End it, whatever it is doing."""

    @abstractmethod
    def opinion(self, path: str, size: int, kind: str | None) -> Opinion:
        """Return what it says about a file. Whatever goes wrong with it is part of the opinion.

        Args:
            path: Where the file is.
            size: Bytes.
            kind: The format that the inspector found, ``None`` where it found none.
        """
