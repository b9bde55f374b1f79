"""The quarantine: a private folder, on the file system of the destination, where downloads wait to be judged.

Only one process uses a quarantine at a time, so two commands at once cannot tread on each other's files; the
second waits and then finds the work done. Unfinished files stay for the next run, which hashes them again.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import shutil
import stat
import sys
import time
from typing import TYPE_CHECKING, Self

from weighlock.errors import SourceError
from weighlock.files import unfinished_file_errors

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
            self._descriptor = self._acquire()
            self._tidy()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            if not any(name != "lock" for name in os.listdir(self.folder)):
                (self.folder / "lock").unlink()
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

    def _acquire(self) -> int:
        while True:
            self.folder.mkdir(parents=True, exist_ok=True)
            _make_private(self.folder)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
            descriptor = os.open(self.folder / "lock", flags, 0o600)
            try:
                if not _lock(descriptor, wait=False):
                    self._progress.say(f"waiting for another weighlock that works in {self.folder.parent}")
                    _lock(descriptor, wait=True)
                if _is_still(descriptor, self.folder / "lock"):
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)  # The other process removed the folder when it was done.

    def _tidy(self) -> None:
        for entry in list(os.scandir(self.folder)):
            if entry.name == "lock":
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


def _make_private(folder: Path) -> None:
    status = folder.lstat()
    owner = getattr(os, "geteuid", lambda: status.st_uid)()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != owner:
        raise SourceError(
            "is not a folder of this user", where=str(folder), hint="remove it; downloads must not wait in it"
        )
    if stat.S_IMODE(status.st_mode) != 0o700:
        folder.chmod(0o700)


def _is_still(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _lock(descriptor: int, *, wait: bool) -> bool:
    if sys.platform == "win32":
        return _lock_on_windows(descriptor, wait=wait)
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock_on_windows(descriptor: int, *, wait: bool) -> bool:
    msvcrt = importlib.import_module("msvcrt")  # Not there on other systems, where this is never called.
    while True:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            if not wait:
                return False
            time.sleep(0.2)
        else:
            return True
