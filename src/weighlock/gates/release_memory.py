"""What the releases that were admitted on this machine are made of: the memory that news in a release is seen by.

One JSON file of this user. What cannot be read is no empty memory: that would forget what an attacker wants forgotten.
"""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, Any

from weighlock.errors import FormatError, SourceError
from weighlock.files import exclusive, write_atomically
from weighlock.formats.wheel_profile import WheelProfile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_VERSION = 1
_LARGEST = 256 << 20


class ReleaseMemory:
    """The memory of one user.

    Args:
        path: Of the file, or `None` where there is no place for one: then nothing is ever remembered.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._read: dict[str, Any] | None = None

    def recall(self, project: str) -> WheelProfile | None:
        """Return the profile of the release of a project that was admitted last.

        Args:
            project: Canonical name.

        Raises:
            SourceError: The memory cannot be read.
        """
        if self._path is None:
            return None
        if self._read is None:
            self._read = _load(self._path)
        row = self._read.get(project)
        if row is None:
            return None
        try:
            return WheelProfile.from_dict(row)
        except FormatError as error:
            raise _unreadable(self._path, f"{project}: {error.message}") from None

    def remember(self, profiles: Sequence[WheelProfile]) -> None:
        """Put profiles of admitted releases in the place of what was known of their projects.

        Raises:
            SourceError: The memory cannot be read, and so not changed.
            WeighlockError: It cannot be written.
        """
        if self._path is None or not profiles:
            return
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SourceError(f"cannot be made: {error.strerror}", where=str(self._path.parent)) from None
        with exclusive(self._path):
            known = _load(self._path)
            known |= {profile.name: profile.to_dict() for profile in profiles}
            text = json.dumps({"version": _VERSION, "releases": known}, sort_keys=True)
            write_atomically(self._path, text.encode(), mode=0o600)
            self._read = json.loads(text)["releases"]


def _load(path: Path) -> dict[str, Any]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0) | os.O_NONBLOCK)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from None
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o022:
            raise _unreadable(path, "it is not a file that only you can write")
        data = stream.read(_LARGEST + 1)
    try:
        body = json.loads(data)
        version, releases = body["version"], body["releases"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _unreadable(path, "it is broken") from None
    if version != _VERSION or not isinstance(releases, dict):
        raise _unreadable(path, f"this weighlock knows version {_VERSION} of it")
    return releases


def _unreadable(path: Path, why: str) -> SourceError:
    hint = "look at it; remove it only where you know why, since that forgets every release"
    return SourceError(f"what was admitted before cannot be read: {why}", where=str(path), hint=hint)
