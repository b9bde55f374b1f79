"""Connections to the database of a ledger; errors of the driver become one line that says no secret."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from weighlock.errors import LedgerError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 10
_SETTINGS = (
    "-c statement_timeout={statement} -c lock_timeout={lock} -c synchronous_commit=on "
    r"-c default_transaction_isolation=read\ committed"
)
_WAITS = "what was recorded waits in the spool of this host"


@contextmanager
def transaction(url: str, place: str) -> Iterator[Any]:
    """Connect, and commit in the end.

    Args:
        url: ``postgresql://…``.
        place: The same, without what is nobody's business.

    Raises:
        LedgerError: The database cannot be used.
        UnsupportedError: The driver is not installed.
    """
    with translated(place), connect(url, place) as connection:
        yield connection


def connect(url: str, place: str, *, seconds: int = SECONDS) -> Any:
    """Return a connection.

    Args:
        url: ``postgresql://…``.
        place: The same, without what is nobody's business.
        seconds: As long as connecting may take; a lock may take three times as long, and a statement six times.

    Raises:
        LedgerError: The address cannot be read, or the database cannot be reached.
        UnsupportedError: The driver is not installed.
    """
    psycopg = _driver(place)
    _require_address(psycopg, url)
    settings = _SETTINGS.format(statement=seconds * 6_000, lock=seconds * 3_000)
    with translated(place):
        return psycopg.connect(url, connect_timeout=seconds, options=settings)


@contextmanager
def translated(place: str) -> Iterator[None]:
    """Turn errors of the driver into one line.

    Raises:
        LedgerError: An error of the driver was raised inside.
    """
    psycopg = _driver(place)
    try:
        yield
    except psycopg.Error as error:
        why = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise LedgerError(f"the database cannot be used: {why}", where=place, hint=_WAITS) from None


def _driver(place: str) -> Any:
    try:
        import psycopg
    except ImportError:
        hint = "pip install 'weighlock[postgres]'"
        raise UnsupportedError("a ledger in a database needs psycopg", where=place, hint=hint) from None
    return psycopg


def _require_address(psycopg: Any, url: str) -> None:
    """Demand an address that can be read: what the driver says about one that cannot quotes the password."""
    try:
        psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.Error:
        hint = "special characters in it are written as %XX; passwords belong into .pgpass or PGPASSWORD"
        raise LedgerError("is no address of a database", where="the place of the ledger", hint=hint) from None
