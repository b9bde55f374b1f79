"""Who published the releases that were admitted on this machine: the memory that a change of publisher is seen by.

One JSON file of this user. What cannot be read is no empty memory: that would forget what an attacker wants forgotten.
"""

from __future__ import annotations

import json
import os
import stat
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weighlock.errors import SourceError
from weighlock.files import exclusive, write_atomically
from weighlock.release import Publisher

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_VERSION = 1
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
        self._path = path
        self._read: dict[str, Any] | None = None

    def recall(self, index: str, project: str) -> Remembered | None:
        """Return who published what was admitted last from an index.

        Raises:
            SourceError: The memory cannot be read.
        """
        if self._path is None:
            return None
        if self._read is None:
            self._read = _load(self._path)
        row = self._read.get(index, {}).get(project)
        return None if row is None else _remembered(index, project, row, self._path)

    def remember(self, admitted: Iterable[Remembered]) -> None:
        """Add releases that were admitted and whose publisher was verified.

        Raises:
            SourceError: The memory cannot be read, and so not changed.
            WeighlockError: It cannot be written.
        """
        rows = list(admitted)
        if self._path is None or not rows:
            return
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SourceError(f"cannot be made: {error.strerror}", where=str(self._path.parent)) from None
        with exclusive(self._path):
            known = _load(self._path)
            for row in rows:
                known.setdefault(row.index, {})[row.project] = _row(row)
            text = json.dumps({"version": _VERSION, "publishers": known}, indent=1, sort_keys=True)
            write_atomically(self._path, text.encode(), mode=0o600)
            self._read = known


def place(environ: Mapping[str, str]) -> Path | None:
    """Return the path of the file: under ``WEIGHLOCK_STATE``, else where this user's programs keep their state."""
    folder = environ.get("WEIGHLOCK_STATE")
    if not folder:
        base = environ.get("XDG_STATE_HOME")
        if not base or not os.path.isabs(base):
            base = os.path.join(environ["HOME"], ".local", "state") if environ.get("HOME") else None
        folder = base and os.path.join(base, "weighlock")
    return Path(os.path.abspath(folder)) / "publishers.json" if folder else None


def older(remembered: Remembered, uploaded: datetime | None) -> bool:
    """Say whether a release was there before the one that is remembered, so that nothing follows for it."""
    return uploaded is not None and remembered.uploaded is not None and uploaded < remembered.uploaded


def _load(path: Path) -> dict[str, Any]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0) | os.O_NONBLOCK)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o022:
        os.close(descriptor)
        raise _unreadable(path, "it is not a file that only you can write")
    with os.fdopen(descriptor, "rb") as stream:
        return _parsed(stream.read(_LARGEST + 1), path)


def _parsed(data: bytes, path: Path) -> dict[str, Any]:
    try:
        body = json.loads(data)
        version, publishers = body["version"], body["publishers"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _unreadable(path, "it is broken") from None
    if version != _VERSION:
        raise _unreadable(path, f"it is of version {str(version)[:20]}, and this weighlock knows version {_VERSION}")
    if not isinstance(publishers, dict) or not all(isinstance(rows, dict) for rows in publishers.values()):
        raise _unreadable(path, "it is broken")
    return publishers


def _row(row: Remembered) -> dict[str, Any]:
    when = row.uploaded.isoformat() if row.uploaded is not None else None
    said = {"version": row.version, "uploaded": when, **asdict(row.publisher)}
    return {key: value for key, value in said.items() if value is not None}


def _remembered(index: str, project: str, row: Any, path: Path) -> Remembered:
    try:
        publisher = Publisher(**{key: row[key] for key in _FIELDS if key in row})
        uploaded = datetime.fromisoformat(row["uploaded"]) if "uploaded" in row else None
        version = row["version"]
    except (TypeError, KeyError, ValueError):
        raise _unreadable(path, f"what it says about {project} is broken") from None
    texts = [version, *(value for value in asdict(publisher).values() if value is not None)]
    if not all(isinstance(text, str) for text in texts) or (uploaded is not None and uploaded.tzinfo is None):
        raise _unreadable(path, f"what it says about {project} is broken")
    return Remembered(index=index, project=project, version=version, publisher=publisher, uploaded=uploaded)


def _unreadable(path: Path, why: str) -> SourceError:
    hint = "look at it; remove it only where you know why, since that forgets every publisher"
    return SourceError(f"who published what cannot be read: {why}", where=str(path), hint=hint)
