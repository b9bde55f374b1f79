"""The quarantine: a private folder, on the file system of the destination, where downloads wait to be judged.

Only one process uses a quarantine at a time, so two commands at once cannot tread on each other's files; the
second waits and then finds the work done. Unfinished files stay for the next run, which hashes them again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import time
from typing import TYPE_CHECKING, Self

from weighlock.errors import SourceError
from weighlock.files import unfinished_file_errors
from weighlock.sources.exclusive import LOCK, acquire

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from weighlock.sources.interface import Progress

_KEEP_SECONDS = 14 * 24 * 3600
"""How long an unfinished file waits for its rest."""


class Quarantine:
    """An exclusive quarantine, a context manager.

    Args:
        folder: Its place; made with mode 0700, removed again when it is empty.
        progress: Told when another process is waited for.
        now: Seconds since the epoch, to judge the age of unfinished files.
    """

    def __init__(self, folder: Path, progress: Progress, now: float | None = None) -> None:
        self.folder = folder
        self._progress = progress
        self._now = time.time() if now is None else now
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        with unfinished_file_errors(self.folder):
            self._descriptor = acquire(self.folder, self._progress)
            self._tidy()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            if not any(name != LOCK for name in os.listdir(self.folder)):
                (self.folder / LOCK).unlink()
                with contextlib.suppress(OSError):
                    self.folder.rmdir()
            os.close(self._descriptor)
            self._descriptor = None

    def part(self, identity: str) -> Path:
        """Return the place of the unfinished file for something, always the same for the same identity."""
        return self.folder / f"{hashlib.sha256(identity.encode()).hexdigest()}.part"

    def require_room(self, size: int) -> None:
        """Refuse to start what cannot be finished.

        Raises:
            SourceError: Less than `size` bytes are free.
        """
        free = shutil.disk_usage(self.folder).free
        if size > free:
            raise SourceError(
                f"{size} bytes are needed and {free} are free",
                where=str(self.folder.parent),
                hint="make room, or name another cache with HF_HOME",
            )

    def _tidy(self) -> None:
        for entry in list(os.scandir(self.folder)):
            if entry.name == LOCK:
                continue
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            elif not _is_worth_keeping(entry, self._now):
                os.unlink(entry.path)


def discard(part: Path) -> None:
    """Remove an unfinished file and what was noted about it."""
    for path in (part, validator_of(part)):
        path.unlink(missing_ok=True)


def validator_of(part: Path) -> Path:
    """Return the place where the ETag of an unfinished file is noted."""
    return part.with_suffix(".etag")


def _is_worth_keeping(entry: os.DirEntry[str], now: float) -> bool:
    status = entry.stat(follow_symlinks=False)
    young = now - status.st_mtime < _KEEP_SECONDS
    return young and stat.S_ISREG(status.st_mode) and entry.name.endswith((".part", ".etag"))
