"""The built-in store: versions of models as exact lists of files, and which of them is in force in which stage.

A move is one transaction: the row of the resource is held, what is in force is compared with what the summary
replaces, and the new one is written. Of two who move at once one wins, and the other is refused.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from weighlock.errors import ForgedError, SourceError
from weighlock.promotion import BUILTIN, Resource
from weighlock.promotions.blobs import verify
from weighlock.promotions.interface import Standing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from weighlock.promotion import Promoted
    from weighlock.promotions.blobs import Blobs
    from weighlock.promotions.database import Database, Rows

_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
_STANDING = """select moves.version, moves.digest, moves.bundle, moves.time, moves.number from weighlock_moves moves
    join weighlock_standings standings on standings.resource = moves.resource and standings.number = moves.number
    where moves.resource = ?"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """One file of a version.

    Args:
        path: In the model.
        sha256: 64 hexadecimal digits.
        size: Bytes.
        format: The loader's format, or ``None`` where no loader takes the file.
    """

    path: str
    sha256: str
    size: int
    format: str | None = None


class BuiltinStore:
    """The built-in store; see `weighlock.promotions.interface.Registry`.

    Args:
        database: Of names and versions.
        blobs: Of bytes.
        admit: Verifies a summary again, given the files of its version and the digest of what is in force, and raises
            `ForgedError`: whoever opens the store says whose summaries count.
        now: The clock.
    """

    registry = BUILTIN

    def __init__(
        self,
        database: Database,
        blobs: Blobs,
        admit: Callable[[Promoted, Mapping[str, str], str | None], None],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database, self.blobs, self._admit, self._now = database, blobs, admit, now
        self.place = database.place

    def add(self, model: str, files: Sequence[StoredFile], places: Mapping[str, Path]) -> str:
        """Keep the bytes of a version, and return its number; the same list of files is the same version.

        Args:
            model: Its name.
            files: All of them.
            places: Where each file lies, by its path in the model.

        Raises:
            DigestMismatchError: A file has other bytes than the list says.
            SourceError: Something cannot be read or kept.
        """
        from weighlock.sources.directory import opened

        for file in files:
            with opened(places[file.path]) as (descriptor, _), open(descriptor, "rb", closefd=False) as source:
                self.blobs.put(file.sha256, source)
        with self._database.transaction() as rows:
            return str(self._version(rows, model, files))

    def files(self, model: str, version: str) -> Mapping[str, str]:
        """Return the SHA-256 of each file of a version, whose bytes were all read again.

        Raises:
            DigestMismatchError: Bytes in the store were changed.
            SourceError: There is no such version, or bytes of it are missing.
        """
        found = self.version(model, version)
        for sha256 in sorted({file.sha256 for file in found}):
            verify(self.blobs, sha256)
        return {file.path: file.sha256 for file in found}

    def version(self, model: str, version: str) -> tuple[StoredFile, ...]:
        """Return the list of files of a version; its bytes are not looked at.

        Raises:
            SourceError: There is no such version.
        """
        with self._database.transaction(reads=True) as rows:
            return _files(rows, model, version)

    def in_force(self, resource: Resource) -> Standing | None:
        """Return what is in force for a resource."""
        with self._database.transaction(reads=True) as rows:
            found = rows.one(_STANDING, resource.uri)
        return None if found is None else _standing(resource, found)

    def history(self, resource: Resource) -> Sequence[Standing]:
        """Return everything that was in force, the newest first."""
        query = "select version, digest, bundle, time from weighlock_moves where resource = ? order by number desc"
        with self._database.transaction(reads=True) as rows:
            return tuple(_standing(resource, row) for row in rows.all(query, resource.uri))

    def moved(self) -> Iterable[tuple[str, Standing]]:
        """Return everything that ever was in force here: the name of the resource as statements have it, and that."""
        query = "select resource, version, digest, bundle, time from weighlock_moves order by resource, number"
        with self._database.transaction(reads=True) as rows:
            found = rows.all(query)
        return [(row[0], _standing(_resource(row[0]), row[1:])) for row in found]

    def move(self, promoted: Promoted) -> None:
        """Keep a summary, and move its resource: both or neither.

        Raises:
            ForgedError: It replaces something else than what is in force, was used before, or does not verify.
            SourceError: The store cannot be used.
        """
        resource, vsa = promoted.vsa.promotable.resource, promoted.vsa
        if resource.registry != BUILTIN:
            raise ForgedError(f"is about {resource.uri[:200]}, which is not in this store")
        with self._database.transaction() as rows:
            rows.run("insert into weighlock_standings values (?, ?) on conflict do nothing", resource.uri, 0)
            rows.hold(resource.uri)
            found = rows.one(_STANDING, resource.uri)
            in_force, number = (found[1], found[4]) if found else (None, 0)
            files = {file.path: file.sha256 for file in _files(rows, resource.model, vsa.version)}
            self._admit(promoted, files, in_force)
            if in_force == promoted.digest:
                return
            self._write(rows, promoted, number + 1)

    def used(self, digests: Iterable[str]) -> frozenset[str]:
        """Return those of some approvals that moved something already."""
        query = "select digest from weighlock_approvals where digest = ?"
        with self._database.transaction(reads=True) as rows:
            return frozenset(digest for digest in digests if rows.one(query, digest))

    def _write(self, rows: Rows, promoted: Promoted, number: int) -> None:
        vsa, time = promoted.vsa, self._now().astimezone(UTC).strftime(_TIME)
        uri = vsa.promotable.resource.uri
        if rows.one("select 1 from weighlock_moves where digest = ?", promoted.digest):
            raise ForgedError("the verification summary was used before")
        for one in vsa.inputs:
            if one.kind != "approval":
                continue
            insert = "insert into weighlock_approvals values (?, ?, ?) on conflict do nothing"
            if not rows.run(insert, str(one.digest), uri, time):
                raise ForgedError(f"the approval {one.name[:100]} was used before")
        rows.run(
            "insert into weighlock_moves values (?, ?, ?, ?, ?, ?, ?)",
            uri, number, int(vsa.version), promoted.digest, vsa.previous, promoted.bundle, time,
        )  # fmt: skip
        rows.run("update weighlock_standings set number = ? where resource = ?", number, uri)

    def _version(self, rows: Rows, model: str, files: Sequence[StoredFile]) -> int:
        listed = json.dumps(sorted((file.path, file.sha256) for file in files))
        digest = hashlib.sha256(listed.encode()).hexdigest()
        query = "select version from weighlock_versions where model = ? and list = ?"
        if known := rows.one(query, model, digest):
            return int(known[0])
        last = rows.one("select coalesce(max(version), 0) from weighlock_versions where model = ?", model)
        version = int(last[0]) + 1 if last else 1
        time = self._now().astimezone(UTC).strftime(_TIME)
        insert = "insert into weighlock_versions values (?, ?, ?, ?) on conflict do nothing"
        if not rows.run(insert, model, version, digest, time):
            raise SourceError(f"somebody else added a version of {model} at this moment", hint="run it again")
        for file in files:
            rows.run(
                "insert into weighlock_files values (?, ?, ?, ?, ?, ?)",
                model, version, file.path, file.sha256, file.size, file.format,
            )  # fmt: skip
        return version


def _files(rows: Rows, model: str, version: str) -> tuple[StoredFile, ...]:
    query = "select path, sha256, size, format from weighlock_files where model = ? and version = ? order by path"
    number = int(version) if version.isascii() and version.isdigit() and len(version) < 10 else -1
    found = rows.all(query, model, number)
    if not found:
        raise SourceError(f"there is no version {version[:100]} of {model[:200]} in the store")
    return tuple(StoredFile(path=row[0], sha256=row[1], size=row[2], format=row[3]) for row in found)


def _standing(resource: Resource, row: Sequence[object]) -> Standing:
    version, digest, bundle, time = row[:4]
    try:
        made = datetime.strptime(str(time), _TIME).replace(tzinfo=UTC)
        summary = bytes(memoryview(bundle))  # type: ignore[arg-type]  # SQLite keeps whatever somebody put there
    except (TypeError, ValueError):
        hint = "somebody changed the database by hand; bring it back from a backup"
        raise SourceError("what is kept about it makes no sense", where=resource.uri, hint=hint) from None
    return Standing(
        resource=resource,
        version=str(version),
        digest=str(digest),
        bundle=summary,
        time=made,
    )


def _resource(uri: str) -> Resource:
    from weighlock.signing.promotion_fields import read_resource

    return read_resource(uri, "the store")
