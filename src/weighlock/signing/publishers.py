"""Who published the releases that were admitted on this machine: the memory that a change of publisher is seen by."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weighlock.own_saves import state_folder
from weighlock.release import Publisher
from weighlock.state_file import StateFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_LARGEST = 64 << 20
_FIELDS = ("kind", "repository", "workflow", "environment")


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """The publisher of an admitted release, verified then.

    Args:
        index: URL of the index that served it.
        project: Canonical name.
        version: Of the release.
        publisher: Who published it.
        uploaded: When, as the index said.
    """

    index: str
    project: str
    version: str
    publisher: Publisher
    uploaded: datetime | None = None


class Publishers:
    """The memory of one user.

    Args:
        path: Of the file, or `None` where there is no place for one: then nothing is ever remembered.
    """

    def __init__(self, path: Path | None) -> None:
        self._file = StateFile(path, "publishers", most=_LARGEST, holds="who published what", forgets="every publisher")

    def recall(self, index: str, project: str) -> Remembered | None:
        """Return who published what was admitted last from an index.

        Raises:
            SourceError: The memory cannot be read.
        """
        row = self._checked(self._file.read()).get(index, {}).get(project)
        return None if row is None else self._remembered(index, project, row)

    def of_release(self, project: str, version: str) -> tuple[Remembered, ...]:
        """Return who published exactly this release, for each index from which it was admitted, sorted.

        Args:
            project: Canonical name.
            version: Canonical.

        Raises:
            SourceError: The memory cannot be read.
        """
        known = self._checked(self._file.read())
        rows = [
            self._remembered(index, project, known[index][project])
            for index in sorted(known)
            if project in known[index]
        ]
        return tuple(row for row in rows if row.version == version)

    def remember(self, admitted: Iterable[Remembered]) -> None:
        """Add releases that were admitted and whose publisher was verified.

        Raises:
            SourceError: The memory cannot be read, and so not changed.
            WeighlockError: It cannot be written.
        """
        rows = list(admitted)

        def add(known: dict[str, Any]) -> None:
            self._checked(known)
            for row in rows:
                known.setdefault(row.index, {})[row.project] = _row(row)

        if rows:
            self._file.change(add)

    def _checked(self, known: dict[str, Any]) -> dict[str, Any]:
        if not all(isinstance(rows, dict) for rows in known.values()):
            raise self._file.unreadable("it is broken")
        return known

    def _remembered(self, index: str, project: str, row: Any) -> Remembered:
        try:
            publisher = Publisher(**{key: row[key] for key in _FIELDS if key in row})
            uploaded = datetime.fromisoformat(row["uploaded"]) if "uploaded" in row else None
            version = row["version"]
        except (TypeError, KeyError, ValueError):
            raise self._file.unreadable(f"what it says about {project} is broken") from None
        texts = [version, *(value for value in asdict(publisher).values() if value is not None)]
        if not all(isinstance(text, str) for text in texts) or (uploaded is not None and uploaded.tzinfo is None):
            raise self._file.unreadable(f"what it says about {project} is broken")
        return Remembered(index=index, project=project, version=version, publisher=publisher, uploaded=uploaded)


def place(environ: Mapping[str, str]) -> Path | None:
    """Return the path of the file: under ``WEIGHLOCK_STATE``, else where this user's programs keep their state."""
    folder = state_folder(environ)
    return Path(folder, "publishers.json") if folder else None


def older(remembered: Remembered, uploaded: datetime | None) -> bool:
    """Say whether a release was there before the one that is remembered, so that nothing follows for it."""
    return uploaded is not None and remembered.uploaded is not None and uploaded < remembered.uploaded


def _row(row: Remembered) -> dict[str, Any]:
    when = row.uploaded.isoformat() if row.uploaded is not None else None
    said = {"version": row.version, "uploaded": when, **asdict(row.publisher)}
    return {key: value for key, value in said.items() if value is not None}
