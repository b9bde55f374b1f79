"""What an engine for work on many files is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from contextlib import AbstractContextManager


class Engine(Protocol):
    """Somewhere to do work: processes of this machine, or a cluster."""

    @property
    def workers(self) -> int:
        """How many pieces of work are done at once; known once the engine is open."""

    def open(self) -> AbstractContextManager[Executor]:
        """Start the engine. Leaving the context ends what is still running.

        Raises:
            WeighlockError: It cannot be started or reached.
        """

    def is_death(self, error: BaseException) -> bool:
        """Say whether an error means that whoever did the work died, and not that the work failed."""
