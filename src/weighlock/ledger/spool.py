"""Where verdicts wait for the ledger: one append-only file per process, so that recording costs a load one short write.

- A line is the canonical form of an `Entry` and a line break, written by one ``write``: whoever is killed, whole lines
  stay. They are not synced; that is done when they are sealed into the ledger.
- A process holds a shared lock (``flock``) on its file as long as it lives, so that who seals knows which files will
  not grow any more.
- A child of ``fork`` begins a file of its own.
"""

from __future__ import annotations

import os
from _thread import RLock
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from weighlock.entry import Entry

SUFFIX = ".jsonl"
_LARGEST = 8 << 20
"""Bytes; then a process begins another file, and this one can be sealed and removed."""

_OPTIONAL = ("O_NOFOLLOW", "O_CLOEXEC", "O_BINARY")
_FLAGS = sum((getattr(os, name, 0) for name in _OPTIONAL), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL)


def spool_of(ledger: str) -> str:
    """Return the spool folder of a ledger folder."""
    return os.path.join(ledger, "spool")


_mutex = RLock()
"""A handler of a signal may load, and so record, while its thread does."""


class Spool:
    """What this process recorded.

    Args:
        folder: Of all spools; it is made for this user alone where it is not there.
    """

    # Kept here since an interpreter that ends clears the names of modules before it drops the last spools.
    _close = staticmethod(os.close)

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._process = 0
        self._descriptor = -1
        self._name = ""
        self._count = 0
        self._written = 0

    def add(self, make: Callable[[str, datetime], Entry]) -> None:
        """Record something.

        Args:
            make: Makes the entry from the name of its event and the time.

        Raises:
            OSError: It cannot be recorded.
        """
        with _mutex:  # threads count together, and begin one file
            if self._process != os.getpid() or self._written > _LARGEST or not os.fstat(self._descriptor).st_nlink:
                self._begin()  # also where somebody removed the file: what is written to it, nobody will ever read
            self._count += 1
            line = make(f"{self._name}:{self._count}", datetime.now(UTC)).to_bytes() + b"\n"
            if os.write(self._descriptor, line) != len(line):
                self._written = _LARGEST + 1  # what is torn stays the last line of its file
                raise OSError(28, "a record could not be written whole", self._folder)
            self._written += len(line)

    def close(self) -> None:
        """Close the file of this process, so that it can be sealed and removed."""
        with _mutex:
            if self._descriptor < 0:
                return
            # In a child of fork this is a copy of the parent's: closing it leaves the parent's lock as it is.
            self._close(self._descriptor)
            self._descriptor = -1
            self._process = 0

    def _begin(self) -> None:
        self.close()
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        self._name = os.urandom(16).hex()
        self._descriptor = os.open(os.path.join(self._folder, self._name + SUFFIX), _FLAGS, 0o600)
        _hold(self._descriptor)
        self._process, self._count, self._written = os.getpid(), 0, 0


def actor(environ: Mapping[str, str]) -> str:
    """Return whose process this is, ``user@host``; the user's name is the system's, and not a variable's."""
    host = os.uname().nodename if hasattr(os, "uname") else environ.get("COMPUTERNAME", "")
    try:
        import pwd

        user = pwd.getpwuid(os.geteuid()).pw_name
    except (ImportError, KeyError):
        user = str(os.geteuid()) if hasattr(os, "geteuid") else environ.get("USERNAME", "")
    return f"{user}@{host}"


def _hold(descriptor: int) -> None:
    """Say that this file may still grow; a system without such locks has files that are sealed when they are old."""
    try:
        import fcntl
    except ImportError:
        return
    fcntl.flock(descriptor, fcntl.LOCK_SH)


def _reset_after_fork() -> None:
    """Give a forked child a lock of its own: another thread of the parent may have held the old one."""
    global _mutex  # noqa: PLW0603 - see the docstring
    _mutex = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)
