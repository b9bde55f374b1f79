"""Pickles in memory that are read outside any admitted load, and are inspected when that is needed."""

from __future__ import annotations

from _thread import _local

from weighlock.runtime import _admit, _gate, _loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from weighlock.gates.admission import Admission

_thread = _local()


class Pending:
    """A pickle in memory that is being read outside any admitted load; it is inspected when that is needed.

    Used as a context manager around the original loader.

    Args:
        read: Returns all bytes from where the load begins.
    """

    def __init__(self, read: Callable[[], bytes]) -> None:
        self._read = read
        self._admission: Admission | None = None

    def admission(self) -> Admission:
        """Return what the pickle may import: its own names where it holds only data, and none otherwise."""
        if self._admission is None:
            self._admission = _gate.gate().inspect(self._read())
        return self._admission

    def __enter__(self) -> Self:
        """Let this thread's unpicklers find the whole pickle."""
        _pendings().append(self)
        return self

    def __exit__(self, *_: object) -> None:
        """Forget it."""
        _pendings().remove(self)


def pending() -> Pending | None:
    """Return the pickle in memory that this thread reads, or ``None``."""
    pendings = _pendings()
    return pendings[-1] if pendings else None


def _pendings() -> list[Pending]:
    if not hasattr(_thread, "pending"):
        _thread.pending = []
    pendings: list[Pending] = _thread.pending
    return pendings


def part_of_a_pickle(label: str, *, message: bool) -> _loads.Loading:
    """Admit bytes that an unpickler, outside any admitted load, found in its own pickle.

    Args:
        label: Their name, for messages.
        message: The pickle is a message between processes, and so are these bytes; otherwise they may import
            what an inspection of that pickle found in it, or names that do no harm.
    """
    outer = pending()
    if outer is not None and not message:
        return _loads.Loading(outer.admission(), label)
    return _loads.Loading(_admit.admission(anything=message), label)
