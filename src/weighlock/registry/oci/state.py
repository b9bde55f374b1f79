"""What the issuer remembers: what was promoted where, and everything that it wrote into gated repositories.

A promotion is the next row of its resource. Of two that come at once, by whichever issuer, one finds its number taken.

Source:
    ``docs/oci-gate.md``.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from weighlock.errors import ForgedError, LedgerError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_TABLES = (
    """create table if not exists weighlock_oci_promotions (
        resource text not null, number bigint not null, repository text not null, digest text not null,
        manifest text not null, media_type text not null, data {blob} not null, bundle {blob} not null,
        digests text not null, actor text not null, made text not null,
        primary key (resource, number), unique (resource, digest))""",
    """create table if not exists weighlock_oci_written (
        repository text not null, digest text not null, primary key (repository, digest))""",
)
_COLUMNS = "resource, number, repository, digest, manifest, media_type, data, bundle, digests, actor, made"
_SECONDS = 10
_AGAIN = "promote it again: `weighlock promote MODEL --to STAGE`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """What was promoted into a gated repository.

    Args:
        resource: Its URI.
        number: From 1, without a gap.
        repository: Its name, without a host.
        digest: Of the verification summary.
        manifest: Its digest.
        media_type: Of the manifest.
        data: The manifest.
        bundle: The verification summary.
        digests: Of the manifest, its blobs and its files.
        actor: Who asked for it.
        made: When.
    """

    resource: str
    number: int
    repository: str
    digest: str
    manifest: str
    media_type: str
    data: bytes = field(repr=False)
    bundle: bytes = field(repr=False)
    digests: tuple[str, ...]
    actor: str
    made: datetime


class _Cursor(Protocol):
    def fetchall(self) -> list[Any]: ...


class State:
    """A database: a file of SQLite, or PostgreSQL.

    Args:
        place: The file, or ``postgresql://…``.
    """

    def __init__(self, place: str) -> None:
        self._place = place
        self._is_file = "://" not in place
        self._idle: list[Any] = []
        self._lock = threading.Lock()
        if not self._is_file and not place.startswith(("postgresql://", "postgres://")):
            raise UnsupportedError("must be a file, or postgresql://…", where="server.state")
        with self._transaction() as run:
            for table in _TABLES:
                run(table.format(blob="blob" if self._is_file else "bytea"), ())

    def close(self) -> None:
        """Let go of the database; the next question opens it again."""
        with self._lock:
            idle, self._idle = self._idle, []
        for database in idle:
            database.close()

    def in_force(self, resource: str) -> Admitted | None:
        """Return what was promoted there last."""
        return next(iter(self.history(resource, most=1)), None)

    def history(self, resource: str, *, most: int = 10_000) -> tuple[Admitted, ...]:
        """Return what was promoted there, the newest first."""
        sql = f"select {_COLUMNS} from weighlock_oci_promotions where resource = ? order by number desc limit ?"  # noqa: S608 - a constant
        with self._transaction() as run:
            return tuple(_admitted(row) for row in run(sql, (resource, most)).fetchall())

    def written(self, repository: str) -> frozenset[str]:
        """Return the digests of every manifest that was written into a repository."""
        with self._transaction() as run:
            rows = run("select digest from weighlock_oci_written where repository = ?", (repository,)).fetchall()
        return frozenset(row[0] for row in rows)

    def note(self, repository: str, digest: str) -> None:
        """Remember a manifest that is about to be written."""
        sql = "insert into weighlock_oci_written values (?, ?) on conflict do nothing"
        with self._transaction() as run:
            run(sql, (repository, digest))

    def add(self, admitted: Admitted) -> None:
        """Remember a promotion, durably; its number has to be the next one.

        Raises:
            ForgedError: Something else was promoted there at the same moment, or its summary was used before.
        """
        values = (
            admitted.resource, admitted.number, admitted.repository, admitted.digest, admitted.manifest,
            admitted.media_type, admitted.data, admitted.bundle, json.dumps(admitted.digests), admitted.actor,
            admitted.made.astimezone(UTC).isoformat(),
        )  # fmt: skip
        marks = ", ".join("?" * len(values))
        try:
            with self._transaction() as run:
                newest = run(
                    "select coalesce(max(number), 0) from weighlock_oci_promotions where resource = ?",
                    (admitted.resource,),
                ).fetchall()[0][0]
                if newest + 1 != admitted.number:
                    raise ForgedError("something else was promoted there at the same moment", hint=_AGAIN)
                run(f"insert into weighlock_oci_promotions ({_COLUMNS}) values ({marks})", values)  # noqa: S608 - marks
                run(
                    "insert into weighlock_oci_written values (?, ?) on conflict do nothing",
                    (admitted.repository, admitted.manifest),
                )
        except _TakenError:
            raise ForgedError("something else was promoted there at the same moment", hint=_AGAIN) from None

    @contextmanager
    def _transaction(self) -> Iterator[Callable[[str, Sequence[Any]], _Cursor]]:
        if self._is_file:
            with self._in_file() as run:
                yield run
        else:
            with self._in_server() as run:
                yield run

    @contextmanager
    def _in_file(self) -> Iterator[Callable[[str, Sequence[Any]], _Cursor]]:
        try:
            with self._connected(self._opened_file) as database:
                database.execute("begin immediate")
                yield database.execute
                database.execute("commit")
        except sqlite3.IntegrityError as error:
            raise _TakenError from error
        except sqlite3.Error as error:
            raise LedgerError(f"the database of promotions: {error}", where=self._place) from error

    @contextmanager
    def _in_server(self) -> Iterator[Callable[[str, Sequence[Any]], _Cursor]]:
        try:
            import psycopg
        except ImportError:
            hint = 'install it with `pip install "weighlock[postgres]"`'
            raise UnsupportedError("psycopg is not installed", hint=hint) from None
        try:
            with self._connected(self._opened_server) as database, database.transaction():
                yield lambda sql, values: database.execute(sql.replace("?", "%s"), values)
        except psycopg.errors.UniqueViolation as error:
            raise _TakenError from error
        except psycopg.Error as error:
            # What it says may hold the address of the database, and so a password.
            raise LedgerError(f"the database of promotions: {type(error).__name__}") from None

    @contextmanager
    def _connected(self, connect: Callable[[], Any]) -> Iterator[Any]:
        """Yield a connection that nobody else uses; one in which something failed is not used again."""
        with self._lock:
            database = self._idle.pop() if self._idle else None
        if database is None or getattr(database, "closed", False):
            database = connect()
        try:
            yield database
        except BaseException:
            database.close()
            raise
        with self._lock:
            self._idle.append(database)

    def _opened_file(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._place, timeout=_SECONDS, isolation_level=None, check_same_thread=False)
        database.execute("pragma synchronous = full")
        return database

    def _opened_server(self) -> Any:
        import psycopg

        options = f"-c statement_timeout={_SECONDS * 1000} -c lock_timeout={_SECONDS * 1000}"
        return psycopg.connect(self._place, autocommit=True, connect_timeout=_SECONDS, options=options)


class _TakenError(Exception):
    """A row of that key is there."""


def _admitted(row: Sequence[Any]) -> Admitted:
    *_, digests, actor, made = row
    resource, number, repository, digest, manifest, media_type, data, bundle = row[:8]
    return Admitted(
        resource=resource,
        number=number,
        repository=repository,
        digest=digest,
        manifest=manifest,
        media_type=media_type,
        data=bytes(data),
        bundle=bytes(bundle),
        digests=tuple(json.loads(digests)),
        actor=actor,
        made=datetime.fromisoformat(made),
    )
