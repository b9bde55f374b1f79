"""The local database of advisories: one SQLite file that is never changed, only replaced by another one."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import stat
import threading
from datetime import datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from weighlock.advisories.build import SCHEMA
from weighlock.advisories.interface import Origin, Status
from weighlock.advisories.merge import PAGE, Match, merged
from weighlock.advisory import Advisory, Severity
from weighlock.errors import AdvisoryError
from weighlock.formats.pypi_versions import Interval, covers, keys
from weighlock.install_policy import canonical_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import TracebackType

NAME = "osv"

HINT = "weighlock advisories update, or on a host without network: weighlock advisories update --from FILE"

_AT_ONCE = 500  # fewer than the variables that a statement may have in any version of SQLite

_QUERY = """
SELECT package, record.name, aliases, severity, summary, malware, versions.id, listed, intervals, fixed
FROM affected JOIN record ON record.id = affected.record JOIN versions ON versions.id = affected.versions
WHERE package IN ({})
"""

_Row = tuple[str, str, str, str | None, str, int, int, str, str, str]


def place(environ: Mapping[str, str]) -> Path:
    """Return where the database is.

    Args:
        environ: ``WEIGHLOCK_ADVISORIES`` is the path of the file; by default it is in this user's folder for data.
    """
    own = environ.get("WEIGHLOCK_ADVISORIES")
    if own:
        return Path(own).absolute()
    import platformdirs

    return Path(platformdirs.user_data_dir("weighlock", appauthor=False)) / "advisories.sqlite"


class Database:
    """An `AdvisorySource` that needs no network; a context manager.

    It goes on with the file that it opened, also while an update puts another one in its place.

    Args:
        path: Of the file.

    Raises:
        AdvisoryError: It is missing, broken, made by another version of weighlock, or others could have written it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        _check_owner(path)
        try:
            # Nobody ever writes into the file, so it needs no locks, and none are left behind in its folder.
            # Threads take turns with the connection.
            self._connection = sqlite3.connect(
                f"{path.as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False
            )
            self._lock = threading.Lock()
            self.status = _status(self._connection, path)
        except (sqlite3.Error, ValueError, KeyError, TypeError) as error:
            raise self._broken(error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def query(self, packages: Sequence[tuple[str, str]]) -> Sequence[tuple[Advisory, ...]]:
        """Return the advisories of packages, those included of which it cannot be told whether they apply.

        Args:
            packages: Names and versions, in any spelling.

        Returns:
            The advisories of each, in their order.

        Raises:
            AdvisoryError: The file is broken.
        """
        wanted = [(canonical_name(name.strip()), version) for name, version in packages]
        names = sorted({name for name, _ in wanted})
        try:
            with self._lock:
                rows = self._rows(names)
                unclear = self._unclear(names)
            return [(*_applying(rows.get(name, []), version), *unclear.get(name, ())) for name, version in wanted]
        except (sqlite3.Error, ValueError, KeyError, TypeError) as error:
            raise self._broken(error) from None

    def packages_of(self, name: str) -> tuple[str, ...]:
        """Return the packages that an advisory is about, by any of its names, letters in any case.

        Raises:
            AdvisoryError: The file is broken.
        """
        statement = (
            "SELECT DISTINCT package FROM affected JOIN record ON record.id = affected.record "
            "WHERE record.name = ?1 COLLATE NOCASE OR ' ' || aliases || ' ' LIKE '% ' || ?2 || ' %' ESCAPE '!' "
            "UNION SELECT package FROM unclear WHERE name = ?1 COLLATE NOCASE ORDER BY 1"
        )
        pattern = re.sub(r"([!%_])", r"!\1", name)
        try:
            with self._lock:
                return tuple(row[0] for row in self._connection.execute(statement, (name, pattern)))
        except sqlite3.Error as error:
            raise self._broken(error) from None

    def _rows(self, names: list[str]) -> dict[str, list[_Row]]:
        found: dict[str, list[_Row]] = {}
        for some in _portions(names):
            for row in self._connection.execute(_QUERY.format(", ".join("?" * len(some))), some):
                found.setdefault(row[0], []).append(row)
        return found

    def _unclear(self, names: list[str]) -> dict[str, tuple[Advisory, ...]]:
        if not self.status.unclear:
            return {}
        found: dict[str, tuple[Advisory, ...]] = {}
        for some in _portions(names):
            statement = f"SELECT package, name, why FROM unclear WHERE package IN ({', '.join('?' * len(some))})"  # noqa: S608 - nothing but question marks
            for package, name, why in self._connection.execute(statement, some):
                found[package] = (
                    *found.get(package, ()),
                    Advisory(id=name, summary=why, url=PAGE + name, unclear=True),
                )
        return found

    def _broken(self, error: Exception) -> AdvisoryError:
        return AdvisoryError(f"the advisory database cannot be read: {error}", where=str(self.path), hint=HINT)


def _applying(rows: Sequence[_Row], version: str) -> tuple[Advisory, ...]:
    matches, vague, covered = list[Match](), list[Advisory](), dict[int, bool]()
    for row in rows:
        *_, said, listed, intervals, _ = row
        if not listed and intervals == "[]":
            vague.append(_vague(row))
            continue
        if said not in covered:
            covered[said] = _covers(listed, intervals, version)
        if covered[said]:
            matches.append(_match(row))
    return (*merged(matches, version), *vague)


def _vague(row: _Row) -> Advisory:
    """Return a record that names the package and no version: it may apply."""
    _, name, aliases, severity, summary, *_ = row
    known = Severity.UNKNOWN if severity is None else Severity(severity)
    names = tuple(aliases.split())
    return Advisory(id=name, aliases=names, severity=known, summary=summary, url=PAGE + name, unclear=True)


def _match(row: _Row) -> Match:
    _, name, aliases, severity, summary, malware, said, listed, intervals, fixed = row
    return Match(
        id=name,
        aliases=tuple(aliases.split()),
        severity=None if severity is None else Severity(severity),
        summary=summary,
        malware=bool(malware),
        said=said,
        fixed=_texts(fixed),
        covers=partial(_covers, listed, intervals),
    )


@lru_cache(maxsize=1 << 14)
def _intervals(text: str) -> tuple[Interval, ...]:
    return tuple(Interval(start=start, end=end, closed=closed) for start, end, closed in json.loads(text))


@lru_cache(maxsize=1 << 14)
def _texts(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))


def _covers(listed: str, intervals: str, version: str) -> bool:
    """Say what `Affected.covers` says, of versions as they are written down."""
    if any(f"\n{key}\n" in listed for key in keys(version)):
        return True
    return any(covers(interval, version) for interval in _intervals(intervals))


def _portions(names: list[str]) -> Iterable[list[str]]:
    return (names[start : start + _AT_ONCE] for start in range(0, len(names), _AT_ONCE))


def _status(connection: sqlite3.Connection, path: Path) -> Status:
    meta = dict(connection.execute("SELECT key, value FROM meta"))
    if meta.get("schema") != SCHEMA:
        raise ValueError("it was made by another version of weighlock")
    origins = tuple(
        Origin(
            label=label,
            fetched=datetime.fromisoformat(fetched),
            newest=None if newest is None else datetime.fromisoformat(newest),
            records=records,
            etag=etag,
            last_modified=last_modified,
        )
        for label, fetched, newest, records, etag, last_modified in connection.execute("SELECT * FROM origin")
    )
    if not origins:
        raise ValueError("it was made of nothing")
    counts = {key: int(meta[key]) for key in ("records", "packages", "malware", "withdrawn", "unclear")}
    return Status(name=NAME, place=str(path), origins=origins, made=datetime.fromisoformat(meta["made"]), **counts)


def _check_owner(path: Path) -> None:
    """Refuse a file that is missing, or that somebody else could have emptied of what they want to hide."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        raise AdvisoryError("there is no advisory database", where=str(path), hint=HINT) from None
    except (OSError, ValueError) as error:
        raise AdvisoryError(f"the advisory database cannot be read: {error}", where=str(path), hint=HINT) from None
    if not stat.S_ISREG(status.st_mode):
        raise AdvisoryError("the advisory database is not a file", where=str(path), hint=HINT)
    if os.name == "posix" and (status.st_uid not in {0, os.geteuid()} or status.st_mode & stat.S_IWOTH):
        raise AdvisoryError(
            "the advisory database belongs to somebody else, or everybody may write to it", where=str(path), hint=HINT
        )
