"""A private folder that one process at a time works in; the operating system lets go of it when that process ends."""

from __future__ import annotations

import importlib
import os
import stat
import sys
import time
from typing import TYPE_CHECKING

from weighlock.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path

    from weighlock.sources.interface import Progress

LOCK = "lock"
"""The file in such a folder that is locked."""


def acquire(folder: Path, progress: Progress) -> int:
    """Make a folder with mode 0700, and wait until no other process works in it.

    Args:
        folder: Its place.
        progress: Told when another process is waited for.

    Returns:
        The descriptor that holds it until it is closed, here and in every child that inherited it. Who removes the
        folder removes `LOCK` while holding it.

    Raises:
        OSError: It cannot be made.
        SourceError: It belongs to somebody else.
    """
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            make_private(folder)
            descriptor = _open(folder)
        except FileNotFoundError:  # The other process removed the folder just now.
            continue
        try:
            if not _lock(descriptor, wait=False):
                progress.say(f"waiting for another weighlock that works in {folder.parent}")
                _lock(descriptor, wait=True)
            if _is_still(descriptor, folder / LOCK):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # The other process removed the folder when it was done.


def acquire_now(folder: Path) -> int | None:
    """Return the descriptor that holds a folder, or `None` where another process does or it is gone.

    Raises:
        OSError: It cannot be opened.
        SourceError: It belongs to somebody else.
    """
    try:
        make_private(folder)
        descriptor = _open(folder)
    except FileNotFoundError:
        return None
    if _lock(descriptor, wait=False) and _is_still(descriptor, folder / LOCK):
        return descriptor
    os.close(descriptor)
    return None


def make_private(folder: Path) -> None:
    """Let nobody but this user into a folder.

    Raises:
        OSError: It is not there.
        SourceError: It belongs to somebody else, or is no folder.
    """
    status = folder.lstat()
    owner = getattr(os, "geteuid", lambda: status.st_uid)()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != owner:
        raise SourceError(
            "is not a folder of this user", where=str(folder), hint="remove it; downloads must not wait in it"
        )
    if stat.S_IMODE(status.st_mode) != 0o700:
        folder.chmod(0o700)


def _open(folder: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
    return os.open(folder / LOCK, flags, 0o600)


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
