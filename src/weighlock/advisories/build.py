"""A new advisory database: records are gathered from all files, related to one another, and written down once.

Source:
    ``docs/advisories.md``, "What is in the database".
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from weighlock.errors import AdvisoryError, FormatError
from weighlock.formats import osv

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from weighlock.advisories.interface import Origin
    from weighlock.advisory import Severity
    from weighlock.formats.osv import Affected, Record

SCHEMA = "1"
"""Of the tables; a database with another one is not read."""

TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE origin (
    label TEXT NOT NULL, fetched TEXT NOT NULL, newest TEXT, records INTEGER NOT NULL, etag TEXT, last_modified TEXT);
CREATE TABLE record (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, aliases TEXT NOT NULL, severity TEXT, summary TEXT NOT NULL,
    malware INTEGER NOT NULL);
CREATE TABLE versions (id INTEGER PRIMARY KEY, listed TEXT NOT NULL, intervals TEXT NOT NULL, fixed TEXT NOT NULL);
CREATE TABLE affected (
    package TEXT NOT NULL, record INTEGER NOT NULL, versions INTEGER NOT NULL,
    PRIMARY KEY (package, record, versions)) WITHOUT ROWID;
CREATE TABLE unclear (
    package TEXT NOT NULL, name TEXT NOT NULL, why TEXT NOT NULL, PRIMARY KEY (package, name)) WITHOUT ROWID;
"""

_SKEW = timedelta(days=1)


@dataclass(slots=True)
class _Kept:
    record: Record
    digest: bytes


class Builder:
    """Gathers records.

    Args:
        now: The time, with a time zone; a record that was changed later says nothing about the age of its file.
    """

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._origins: list[Origin] = []
        self._records: dict[str, list[_Kept]] = {}
        self._unclear: dict[tuple[str, str], str] = {}

    def add(self, files: Iterable[tuple[str, bytes]], origin: Origin) -> Origin:
        """Take all records of one file.

        Args:
            files: Name and bytes of each record.
            origin: What is known about the file; its time and count come from the records.

        Returns:
            The origin, complete.

        Raises:
            AdvisoryError: The file has no record about a package of PyPI, or one that is so broken that nobody can tell
                which packages it is about. Without it those packages would look clean.
        """
        count, newest = 0, None
        for name, data in files:
            record = self._parsed(name, data, origin.label)
            if record is None:
                continue
            count += bool(record.affected)
            if record.modified is not None and record.modified <= self._now + _SKEW:
                newest = record.modified if newest is None else max(newest, record.modified)
            self._keep(_Kept(record, hashlib.sha256(data).digest()))
        if not count:
            raise AdvisoryError(
                "has no advisory about a package of PyPI",
                where=origin.label,
                hint="nothing was changed; is it the right file?",
            )
        complete = replace(origin, records=count, newest=newest)
        self._origins.append(complete)
        return complete

    def write(self, path: Path) -> None:
        """Write the database into a new or empty file.

        Raises:
            sqlite3.Error: The file system refused.
        """
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            # The file is not there for anybody yet: it is complete and on the disk before it gets its name.
            connection.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA encoding='UTF-8';")
            connection.executescript(TABLES)
            connection.execute("BEGIN")
            self._fill(connection)
            connection.execute("COMMIT")
        finally:
            connection.close()

    def _parsed(self, name: str, data: bytes, label: str) -> Record | None:
        try:
            return osv.parse(data)
        except FormatError as error:
            why = f"{error.where}: {error.message}" if error.where else error.message
        try:
            record, packages = osv.names_in(data)
        except FormatError:
            raise AdvisoryError(
                f"the record {name[:200]} is not understood, not even which packages it is about: {why}",
                where=label,
                hint="nothing was changed; fetch the file again, or report it to who publishes it",
            ) from None
        for package in packages:
            self._unclear.setdefault((package, record), f"the record is not understood: {why}")
        return None

    def _keep(self, new: _Kept) -> None:
        """Take a record; of several with one name the one counts that was changed last, and where nobody knows, all."""
        kept = self._records.setdefault(new.record.id, [])
        for index, old in enumerate(kept):
            if old.digest == new.digest:
                return
            if old.record.modified is not None and new.record.modified is not None:
                if new.record.modified < old.record.modified:
                    return
                if new.record.modified > old.record.modified:
                    kept[index] = new
                    return
        kept.append(new)

    def _fill(self, connection: sqlite3.Connection) -> None:
        valid = [kept.record for rows in self._records.values() for kept in rows if not kept.record.withdrawn]
        withdrawn = {name for name, rows in self._records.items() if all(kept.record.withdrawn for kept in rows)}
        related = _by_name(valid)
        numbers: dict[tuple[object, ...], int] = {}
        packages = set[str]()
        for number, record in enumerate(sorted(valid, key=lambda record: record.id)):
            if not record.affected:  # of another ecosystem, or only there for its severity
                continue
            row = (number, record.id, " ".join(record.aliases), _severity(record, related), record.summary)
            connection.execute("INSERT INTO record VALUES (?, ?, ?, ?, ?, ?)", (*row, is_malware(record, withdrawn)))
            for affected in record.affected:
                packages.add(affected.name)
                where = _versions(connection, affected, numbers)
                connection.execute("INSERT OR IGNORE INTO affected VALUES (?, ?, ?)", (affected.name, number, where))
        rows = ((package, name, why) for (package, name), why in self._unclear.items())
        connection.executemany("INSERT INTO unclear VALUES (?, ?, ?)", rows)
        connection.executemany("INSERT INTO origin VALUES (?, ?, ?, ?, ?, ?)", map(_row, self._origins))
        counts = {
            "records": sum(bool(kept.record.affected) for rows in self._records.values() for kept in rows),
            "packages": len(packages),
            "malware": sum(is_malware(record, withdrawn) for record in valid if record.affected),
            "withdrawn": len(withdrawn),
            "unclear": len({name for _, name in self._unclear}),
            "made": self._now.isoformat(),
            "schema": SCHEMA,
        }
        connection.executemany("INSERT INTO meta VALUES (?, ?)", ((key, str(value)) for key, value in counts.items()))


def is_malware(record: Record, withdrawn: set[str]) -> bool:
    """Say whether a record reports a package as malicious: by its name, or by another name that still holds."""
    return any(name.startswith("MAL-") and name not in withdrawn for name in (record.id, *record.aliases))


def _by_name(records: Sequence[Record]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in records:
        for name in record.names:
            found.setdefault(name, []).append(record)
    return found


def _severity(record: Record, related: dict[str, list[Record]]) -> Severity | None:
    """Return its own severity, or the worst one of the records that share a name with it and still hold."""
    if record.severity is not None:
        return record.severity
    others = (other for name in record.names for other in related[name])
    return osv.worst([other.severity for other in others if other.severity is not None])


def _versions(connection: sqlite3.Connection, affected: Affected, numbers: dict[tuple[object, ...], int]) -> int:
    """Write versions, once for all records that say the same, and return their number."""
    key = (affected.versions, affected.intervals, affected.fixed)
    if key not in numbers:
        numbers[key] = len(numbers)
        listed = "\n".join(("", *affected.versions, "")) if affected.versions else ""
        spans = json.dumps([[span.start, span.end, span.closed] for span in affected.intervals])
        row = (numbers[key], listed, spans, json.dumps(affected.fixed))
        connection.execute("INSERT INTO versions VALUES (?, ?, ?, ?)", row)
    return numbers[key]


def _row(origin: Origin) -> tuple[object, ...]:
    newest = origin.newest.isoformat() if origin.newest else None
    return origin.label, origin.fetched.isoformat(), newest, origin.records, origin.etag, origin.last_modified
