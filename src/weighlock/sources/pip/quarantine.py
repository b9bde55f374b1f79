"""Where packages wait for their verdict: a private folder for each installation, gone when it ends.

Where a process was killed its folder stays, and nothing holds it any more; the next installation removes it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from weighlock.digest_cache import cache_folder
from weighlock.errors import SourceError
from weighlock.files import unfinished_file_errors
from weighlock.sources.exclusive import acquire, acquire_now, make_private
from weighlock.sources.interface import Silence

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType


class InstallQuarantine:
    """A folder of its own for one installation, a context manager that gives its path.

    Args:
        environ: ``WEIGHLOCK_CACHE`` or ``XDG_CACHE_HOME`` or ``HOME`` say where it lies.
    """

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._parent = place(os.environ if environ is None else environ)
        self._folder = self._parent / f"{os.getpid()}-{secrets.token_hex(8)}"
        self._descriptor: int | None = None

    def __enter__(self) -> Path:
        with unfinished_file_errors(self._parent):
            self._parent.mkdir(parents=True, exist_ok=True)
            make_private(self._parent)
            remove_abandoned(self._parent)
            self._descriptor = acquire(self._folder, Silence())
        return self._folder

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            shutil.rmtree(self._folder, ignore_errors=True)  # what stays, the next one removes
            os.close(self._descriptor)
            self._descriptor = None


def place(environ: Mapping[str, str]) -> Path:
    """Return the folder of all quarantines of this user: in the cache of weighlock, else among temporary files."""
    folder = cache_folder(environ)
    if folder is None:  # one folder, so that nobody else can put another one in its place
        return Path(tempfile.gettempdir(), f"weighlock-installing-{getattr(os, 'geteuid', int)()}")
    return Path(folder, "installing")


def remove_abandoned(parent: Path) -> int:
    """Remove quarantines whose processes are gone.

    Returns:
        How many.
    """
    count = 0
    for entry in list(os.scandir(parent)):
        if not entry.is_dir(follow_symlinks=False):
            continue
        with contextlib.suppress(OSError, SourceError):  # another process may be removing it just now
            descriptor = acquire_now(Path(entry.path))
            if descriptor is not None:
                shutil.rmtree(entry.path)
                os.close(descriptor)
                count += 1
    return count
