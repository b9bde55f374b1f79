"""The tables of the built-in store, in SQLite for one machine or in PostgreSQL for several: the same SQL for both.

What differs is here: how a transaction begins, how places for values are written, and what bytes are called.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from weighlock.errors import SourceError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SCHEMA = "1"
"""Of the tables; another one is refused."""

_SECONDS = 30
_SETTINGS = (
    f"-c lock_timeout={_SECONDS}000 -c statement_timeout={_SECONDS}000 -c synchronous_commit=on "
    r"-c default_transaction_isolation=read\ committed"
)
_MAKING = 0x7765_6967_6803
"""An advisory lock: two processes do not make the tables at once."""

_TABLES = (
    "create table if not exists weighlock_store (name text primary key, value text not null)",
    """create table if not exists weighlock_versions (
        model text, version integer, list text not null, made text not null,
        primary key (model, version), unique (model, list))""",
    """create table if not exists weighlock_files (
        model text, version integer, path text, sha256 text not null, size bigint not null, format text,
        primary key (model, version, path))""",
    """create table if not exists weighlock_moves (
        resource text, number integer, version integer not null, digest text not null, previous text,
        bundle {bytes} not null, time text not null, primary key (resource, number), unique (digest))""",
    "create table if not exists weighlock_standings (resource text primary key, number integer not null)",
    "create table if not exists weighlock_approvals (digest text primary key, resource text not null, time text)",
)


class Rows(Protocol):
    """An open transaction."""

    def all(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a query and return its rows; ``?`` stands for a value."""

    def one(self, query: str, *values: object) -> tuple[Any, ...] | None:
        """Run a query and return its first row."""

    def run(self, query: str, *values: object) -> int:
        """Run a statement and return how many rows it changed."""

    def hold(self, resource: str) -> None:
        """Hold a resource, which nobody else can move before the transaction ends."""


class Database(Protocol):
    """Opens transactions.

    Attributes:
        place: Where it is, for people.
    """

    place: str

    def transaction(self, *, reads: bool = False) -> Any:
        """Return a context with `Rows`: all of what is done in it, or nothing.

        Args:
            reads: Nothing is written, so that no store has to be made for a question.

        Raises:
            SourceError: The database cannot be used.
        """


class SqliteDatabase:
    """One file of this machine.

    Args:
        path: Of the file; its folder is made, for this user alone.
    """

    def __init__(self, path: str) -> None:
        self.place = path
        self._made = False

    @contextmanager
    def transaction(self, *, reads: bool = False) -> Iterator[Rows]:
        """Open a transaction; SQLite lets one write at a time, and others wait."""
        nowhere = reads and not os.path.lexists(self.place)
        try:
            if not self._made and not nowhere:
                os.makedirs(os.path.dirname(self.place), mode=0o700, exist_ok=True)
                os.close(os.open(self.place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            connection = sqlite3.connect(":memory:" if nowhere else self.place, timeout=_SECONDS, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise self._error(error) from error
        try:
            # Full: a name that was said to have moved has moved after a power cut, too.
            connection.execute("pragma journal_mode = wal")
            connection.execute("pragma synchronous = full")
            connection.execute("begin immediate")
            rows = _SqliteRows(connection)
            if not self._made or nowhere:
                _make_tables(rows, "blob")
                _require_schema(rows, self.place)
            yield rows
            connection.execute("commit")
            self._made = not nowhere
        except sqlite3.Error as error:
            raise self._error(error) from error
        finally:
            connection.close()  # what was not committed is undone

    def _error(self, error: Exception) -> SourceError:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        hint = "let this user write to its folder, for questions, too: SQLite keeps its log there"
        return SourceError(f"the store cannot be used: {why}", where=self.place, hint=hint)


class PostgresDatabase:
    """A database for several machines.

    Args:
        url: ``postgresql://…``; passwords come from where libpq looks for them.
        place: The address without what is nobody's business.
    """

    def __init__(self, url: str, place: str) -> None:
        self._url, self.place = url, place
        self._made = False

    @contextmanager
    def transaction(self, *, reads: bool = False) -> Iterator[Rows]:  # noqa: ARG002 - a server is there or is not
        """Open a transaction; errors of the driver become one line without what it was connected with."""
        try:
            import psycopg
        except ImportError:
            hint = "pip install 'weighlock[postgres]'"
            raise UnsupportedError("a store in a database needs psycopg", where=self.place, hint=hint) from None
        try:
            with psycopg.connect(self._url, connect_timeout=10, options=_SETTINGS) as connection:
                rows = _PostgresRows(connection)
                if not self._made:
                    # Whoever may only move names may not make tables, and finds them made.
                    if rows.all("select to_regclass('weighlock_approvals')") == [(None,)]:
                        rows.run("select pg_advisory_xact_lock(?)", _MAKING)
                        _make_tables(rows, "bytea")
                    _require_schema(rows, self.place)
                yield rows
            self._made = True
        except psycopg.ProgrammingError as error:
            raise SourceError(f"the store cannot be used: {_line(error)}", where=self.place) from None
        except psycopg.Error as error:
            raise SourceError(f"the database cannot be used: {_line(error)}", where=self.place) from None


class _SqliteRows:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def all(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self._connection.execute(query, values).fetchall()

    def one(self, query: str, *values: object) -> tuple[Any, ...] | None:
        found: tuple[Any, ...] | None = self._connection.execute(query, values).fetchone()
        return found

    def run(self, query: str, *values: object) -> int:
        return self._connection.execute(query, values).rowcount

    def hold(self, resource: str) -> None:
        """Do nothing: a transaction that writes is alone already."""


class _PostgresRows:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def all(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self._execute(query, values).fetchall()
        return found

    def one(self, query: str, *values: object) -> tuple[Any, ...] | None:
        found: tuple[Any, ...] | None = self._execute(query, values).fetchone()
        return found

    def run(self, query: str, *values: object) -> int:
        return int(self._execute(query, values).rowcount)

    def hold(self, resource: str) -> None:
        self._execute("select number from weighlock_standings where resource = ? for update", (resource,))

    def _execute(self, query: str, values: Sequence[object]) -> Any:
        return self._connection.execute(query.replace("?", "%s"), values or None)


def _make_tables(rows: Rows, of_bytes: str) -> None:
    for table in _TABLES:
        rows.run(table.replace("{bytes}", of_bytes))
    rows.run("insert into weighlock_store values (?, ?) on conflict do nothing", "schema", SCHEMA)


def _require_schema(rows: Rows, place: str) -> None:
    found = rows.one("select value from weighlock_store where name = ?", "schema")
    if found is None or found[0] != SCHEMA:
        said = found[0] if found else "nothing"
        raise SourceError(f"has tables of version {said}, and this weighlock knows {SCHEMA}", where=place)


def _line(error: Exception) -> str:
    said = str(error).strip().splitlines()
    return said[0] if said else type(error).__name__
