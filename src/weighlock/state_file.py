"""What a command remembers for the next one: a table in a JSON file of this user, read whole and written atomically.

What cannot be read is no empty memory: that would forget what an attacker wants forgotten.
"""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, Any

from weighlock.errors import SourceError
from weighlock.files import exclusive, write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_VERSION = 1
_SAFE = ("O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK", "O_BINARY")


class StateFile:
    """The table of one user.

    Args:
        path: Of the file, or `None` where there is no place for one: then nothing is ever remembered.
        table: The key of the table.
        most: Bytes of the file.
        holds: What it says, for messages, such as ``who published what``.
        forgets: What would be forgotten without it, such as ``every publisher``.
    """

    def __init__(self, path: Path | None, table: str, *, most: int, holds: str, forgets: str) -> None:
        self._path = path
        self._table = table
        self._most = most
        self._holds = holds
        self._forgets = forgets
        self._known: dict[str, Any] | None = None

    def read(self) -> dict[str, Any]:
        """Return the table, which is read once.

        Raises:
            SourceError: It cannot be read.
        """
        if self._known is None:
            self._known = {} if self._path is None else self._parsed(self._path)
        return self._known

    def change(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the table; no other change gets lost.

        Args:
            change: Changes what is in the file now.

        Raises:
            SourceError: It cannot be read, and so not changed.
            WeighlockError: It cannot be written.
        """
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SourceError(f"cannot be made: {error.strerror}", where=str(self._path.parent)) from None
        with exclusive(self._path):
            known = self._parsed(self._path)
            change(known)
            text = json.dumps({"version": _VERSION, self._table: known}, sort_keys=True)
            write_atomically(self._path, text.encode(), mode=0o600)
            self._known = json.loads(text)[self._table]

    def unreadable(self, why: str) -> SourceError:
        """Return the error that something in it is not understood."""
        hint = f"look at it; remove it only where you know why, since that forgets {self._forgets}"
        return SourceError(f"{self._holds} cannot be read: {why}", where=str(self._path), hint=hint)

    def _parsed(self, path: Path) -> dict[str, Any]:
        data = self._bytes(path)
        if data is None:
            return {}
        try:
            body = json.loads(data)
            version, known = body["version"], body[self._table]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise self.unreadable("it is broken") from None
        if version != _VERSION:
            raise self.unreadable(f"it is of version {str(version)[:20]}, and this weighlock knows version {_VERSION}")
        if not isinstance(known, dict):
            raise self.unreadable("it is broken")
        return known

    def _bytes(self, path: Path) -> bytes | None:
        """Return its bytes, or `None` where it is not there; others could not have written it."""
        try:
            descriptor = os.open(path, sum((getattr(os, name, 0) for name in _SAFE), os.O_RDONLY))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self.unreadable(error.strerror or str(error)) from None
        status = os.fstat(descriptor)
        ours = not hasattr(os, "getuid") or (status.st_uid == os.getuid() and not status.st_mode & 0o022)
        if not ours or not stat.S_ISREG(status.st_mode):
            os.close(descriptor)
            raise self.unreadable("it is not a file that only you can write")
        with os.fdopen(descriptor, "rb") as file:
            data = file.read(self._most + 1)
        if len(data) > self._most:
            raise self.unreadable(f"it is larger than {self._most} bytes")
        return data
