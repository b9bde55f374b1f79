"""Where quarantine lists are, and how cheaply each place tells that nothing changed.

- A file: its stamps, by one ``stat``. It is replaced by a new file, whose number is another one.
- A URL: a conditional GET, at most once a second.
- The database of the ledger: the number of the newest version, by its index.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from weighlock.errors import WeighlockError

if TYPE_CHECKING:
    from collections.abc import Callable

    from weighlock.ledger.quarantine_table import QuarantineTable
    from weighlock.sources.transport import Transport

_PAUSE = 1.0
"""Seconds between two questions to a server, and to a database that did not answer."""

_PATIENCE = 3.0
"""Seconds that a server may be silent; a load waits for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What a look at a place came to.

    Args:
        data: The signed list; ``None`` where there is none.
        why: It cannot be had; empty where it is simply not there.
        hint: The one next step.
    """

    data: bytes | None = None
    why: str = ""
    hint: str | None = None


class Place(Protocol):
    """Where one list is."""

    name: str
    """For people, and in the memory."""

    def look(self) -> Sight | None:
        """Return what is there, or ``None`` where that is what was there at the last look."""

    def forget(self) -> None:
        """Let the next look be the first one."""

    def begin_in_child(self) -> None:
        """Leave connections to the parent, in a child of ``fork``."""

    def close(self) -> None:
        """Let go of what is open."""


class FilePlace:
    """A list in a file.

    Args:
        path: Absolute.
    """

    def __init__(self, path: str) -> None:
        self.name = path
        self._stamps: object = None

    def look(self) -> Sight | None:
        """Look at the stamps of the file, and read it if they are others."""
        try:
            status = os.stat(self.name)
            stamps: object = (status.st_mtime_ns, status.st_ino, status.st_size, status.st_ctime_ns, status.st_dev)
        except OSError as error:
            stamps = error.errno
        if stamps == self._stamps:
            return None
        self._stamps = stamps
        return self._read()

    def forget(self) -> None:
        """Forget the stamps."""
        self._stamps = None

    def begin_in_child(self) -> None:
        """Nothing is open between two looks."""

    def close(self) -> None:
        """Nothing is open between two looks."""

    def _read(self) -> Sight:
        from weighlock.files import read_regular
        from weighlock.signing.bundle import LARGEST

        try:
            return Sight(data=read_regular(self.name, LARGEST + 1))
        except (FileNotFoundError, NotADirectoryError):
            return Sight()
        except OSError as error:
            self._stamps = None
            return Sight(why=f"cannot be read: {error.strerror}", hint="it has to be a file that this user may read")


class UrlPlace:
    """A list behind a URL.

    Args:
        url: As the policy has it; an http one is the policy's choice.
        clock: Seconds that never go back.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = url
        self._clock = clock
        self._next = 0.0
        self._tag = ""
        self._transport: Transport | None = None

    def look(self) -> Sight | None:
        """Ask the server whether there is another list than the last one."""
        if self._clock() < self._next:
            return None
        try:
            return self._ask()
        finally:
            self._next = self._clock() + _PAUSE

    def forget(self) -> None:
        """Let the next look ask for the whole list."""
        self._next, self._tag = 0.0, ""

    def begin_in_child(self) -> None:
        """Ask at the next look, over a connection of its own."""
        self._next, self._transport = 0.0, None

    def close(self) -> None:
        """Nothing is open between two looks."""

    def _ask(self) -> Sight | None:
        from weighlock.errors import SourceError
        from weighlock.signing.bundle import LARGEST
        from weighlock.sources.transport import NotFoundError, NotModifiedError, Transport

        if self._transport is None:
            self._transport = Transport(allow_http=self.name.startswith("http://"), timeout=_PATIENCE)
        headers = {"If-None-Match": self._tag} if self._tag else {}
        try:
            with self._transport.get(self.name, headers, packed=True) as body:
                data = body.read_all(LARGEST, seconds=_PATIENCE * 3)
                tag = body.headers.get("etag", "")
        except NotModifiedError:
            return None
        except NotFoundError:
            self._tag = ""
            return Sight()
        except SourceError as error:
            self._tag = ""  # what comes next is read whole, so that what was wrong is seen to be right again
            return Sight(why=error.message, hint="the server has to answer, see docs/quarantine.md")
        self._tag = tag if tag.isascii() and tag.isprintable() else ""
        return Sight(data=data)


class LedgerPlace:
    """A list in the database of the ledger.

    Args:
        table: Of the database.
        clock: Seconds that never go back.
    """

    def __init__(self, table: QuarantineTable, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = table.place
        self.table = table
        self._clock = clock
        self._version: object = None
        self._next = 0.0

    def look(self) -> Sight | None:
        """Ask which version is the newest one, and read it if it is another."""
        if self._clock() < self._next:
            return None
        try:
            version = self.table.version()
            if (version,) == self._version:
                return None
            data = self.table.read()
        except WeighlockError as error:
            self._version, self._next = None, self._clock() + _PAUSE
            return Sight(why=error.message, hint="the database of the ledger has to answer")
        self._version = (version,)
        return Sight(data=data)

    def forget(self) -> None:
        """Let the next look read whatever is there."""
        self._version, self._next = None, 0.0

    def begin_in_child(self) -> None:
        """Ask over a connection of its own; that of the parent is not to be closed."""
        self._next = 0.0
        self.table.forget()

    def close(self) -> None:
        """Close the connection."""
        self.table.close()
