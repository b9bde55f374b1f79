"""The advisory database for a command that needs one: made on its first use, where that is possible."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.advisories.database import Database, place
from weighlock.errors import AdvisoryError, WeighlockError
from weighlock.gates.packages import AdvisoriesStatus

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta
    from pathlib import Path

    from weighlock.advisories.interface import AdvisorySource
    from weighlock.sources.interface import Progress

_WAYS_OUT = "weighlock advisories update, or on a machine without network: weighlock advisories update --from FILE"
_BY_HAND = "fetch that file on another machine, and give it with `weighlock advisories update --from FILE`"


def open_database(
    environ: Mapping[str, str], *, most: timedelta, offline: bool, now: datetime, progress: Progress
) -> Database:
    """Open the database, after fetching it where there is none yet or it is too old to decide anything.

    Args:
        environ: Says where it lies and where it comes from.
        most: The policy's ``advisory-max-age``.
        offline: Nobody may be asked.
        now: The time, with a time zone.
        progress: Told that it is fetched.

    Raises:
        AdvisoryError: There is none that can be relied on, and it cannot be fetched.
    """
    path = place(environ)
    problem = _problem(path, now, most)
    if problem is None:
        return Database(path)
    if offline:
        raise AdvisoryError(problem, hint=_WAYS_OUT)
    # Nearly every run finds the database there, and does without the modules that make one.
    from weighlock.advisories import update
    from weighlock.sources.transport import Transport

    try:
        update.from_network(path, update.urls(environ), Transport(), now=now, progress=progress)
    except WeighlockError as error:
        raise AdvisoryError(f"{problem}, and it cannot be fetched: {error}", hint=_BY_HAND) from error
    problem = _problem(path, now, most)
    if problem is not None:
        raise AdvisoryError(problem, hint=_WAYS_OUT)
    return Database(path)


def status_of(database: AdvisorySource, now: datetime) -> AdvisoriesStatus:
    """Return how old a database is, for a report."""
    status = database.status
    return AdvisoriesStatus(
        source=status.name, updated=status.as_of, age=status.age(now), old=status.warning(now) is not None
    )


def _problem(path: Path, now: datetime, most: timedelta) -> str | None:
    """Say why nothing can be decided with what is there."""
    if not path.exists():
        return f"there is no advisory database on this machine ({path})"
    with Database(path) as database:
        return database.status.problem(now, most)
