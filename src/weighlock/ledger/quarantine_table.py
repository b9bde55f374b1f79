"""The quarantine list that lies in the database of a ledger, so that every host that records there sees it.

One row for each version, of which the newest one counts and the others are forgotten. The list is signed; a row that
somebody put back is an older list, and found to be one.

Source:
    ``docs/formats/quarantine.md``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from weighlock.errors import LedgerError
from weighlock.ledger.database import connect, transaction, translated

if TYPE_CHECKING:
    from collections.abc import Callable

_CHANGING = 0x7765_6967_6803
"""An advisory lock, held to the end of a transaction: of two changes at once, the second one continues the first."""

_PATIENCE = 3
_TABLE = "create table if not exists weighlock_quarantine (version bigint primary key, bundle bytea not null)"
_NEWEST = "select version from weighlock_quarantine order by version desc limit 1"
_BUNDLE = "select bundle from weighlock_quarantine order by version desc limit 1"

_inherited: list[Any] = []


class QuarantineTable:
    """The table of one database; a reader keeps its connection.

    Args:
        url: ``postgresql://…``.
        place: The same, without what is nobody's business.
    """

    def __init__(self, url: str, place: str) -> None:
        self._url = url
        self.place = place
        self._connection: Any = None
        self._process = 0
        self._is_there = False

    def version(self) -> int | None:
        """Return the number of the newest version, or ``None`` where there is none.

        Raises:
            LedgerError: The database cannot be used.
        """
        row = self._row(_NEWEST)
        return None if row is None else int(row[0])

    def read(self) -> bytes | None:
        """Return the newest version, or ``None`` where there is none.

        Raises:
            LedgerError: The database cannot be used.
        """
        row = self._row(_BUNDLE)
        return None if row is None else bytes(row[0])

    def change(self, change: Callable[[bytes | None], bytes]) -> None:
        """Put a new version in the place of the newest one, all or nothing; no other change gets lost.

        Args:
            change: Makes the new version from that which is there now.

        Raises:
            LedgerError: The database cannot be used; nothing was changed.
        """
        with transaction(self._url, self.place) as database:
            database.execute("select pg_advisory_xact_lock(%s)", (_CHANGING,))
            if not _has_table(database):
                database.execute(_TABLE)
            row = database.execute(_BUNDLE).fetchone()
            data = change(None if row is None else bytes(row[0]))
            added = (
                "insert into weighlock_quarantine select coalesce(max(version), 0) + 1, %s from weighlock_quarantine"
            )
            database.execute(added, (data,))
            database.execute(f"delete from weighlock_quarantine where version < ({_NEWEST})")  # noqa: S608 - no input

    def forget(self) -> None:
        """Let go of the connection without a word to the server: in a child of ``fork`` it is the parent's."""
        if self._connection is not None:
            _inherited.append(self._connection)  # whose end would be told to the server
        self._connection = None

    def close(self) -> None:
        """Let go of the connection; the next question opens another one."""
        if self._process != os.getpid():
            self.forget()
        elif self._connection is not None:
            self._close()

    def _row(self, query: str) -> Any:
        """Ask, and where the connection was lost since the last question, ask once more over a new one."""
        if self._process != os.getpid():
            self.forget()
        if self._connection is not None:
            try:
                return self._asked(query)
            except LedgerError:
                self._close()
        self._connection, self._process = connect(self._url, self.place, seconds=_PATIENCE), os.getpid()
        with translated(self.place):
            self._connection.autocommit = True
        try:
            return self._asked(query)
        except LedgerError:
            self._close()
            raise

    def _asked(self, query: str) -> Any:
        with translated(self.place):
            if not self._is_there:
                self._is_there = _has_table(self._connection)
            return self._connection.execute(query).fetchone() if self._is_there else None

    def _close(self) -> None:
        self._is_there = False
        connection, self._connection = self._connection, None
        connection.close()


def _has_table(database: Any) -> bool:
    return database.execute("select to_regclass('weighlock_quarantine')").fetchone()[0] is not None
