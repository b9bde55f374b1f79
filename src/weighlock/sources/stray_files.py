"""Files in the library folders of an environment that no distribution installed, found without running any."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from typing import TYPE_CHECKING

from weighlock.artifact import Digest
from weighlock.errors import SourceError
from weighlock.formats.installed import StrayFile, is_importable, is_start_up_file, obeys

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader

_LARGEST_TEXT = 64 << 20
_MOST_STRAYS = 200
_MOST_FILES = 5_000_000
_OPEN = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOCTTY", 0)


def strays_in(folder: str, owned: set[str]) -> tuple[list[StrayFile], int]:
    """Return what nobody installed, a whole folder as one, and how many such files Python does not run."""
    folders = {os.path.dirname(path) for path in owned}
    for path in list(folders):  # every folder above an owned file holds something of somebody
        while (path := os.path.dirname(path)) and path not in folders and is_below(path, folder):
            folders.add(path)
    groups: dict[str, list[str]] = {}
    inert = 0
    for path in _walk(folder):
        if path in owned:
            continue
        if not is_importable(path):
            inert += 1
            continue
        groups.setdefault(_group(path, folder, folders), []).append(path)
    found = [_stray(place, paths, folder) for place, paths in sorted(groups.items())]
    if len(found) > _MOST_STRAYS:
        rest = sum(item.files for item in found[_MOST_STRAYS:])
        # Too many to name are one item that cannot be accepted by the digest of anything.
        found = [*found[:_MOST_STRAYS], StrayFile(path=os.path.join(folder, "…"), files=rest)]
    return found, inert


def _group(path: str, folder: str, folders: set[str]) -> str:
    """Return the topmost folder above a file of which nothing belongs to anybody, or the file."""
    relative = os.path.relpath(path, folder).split(os.sep)
    for depth in range(1, len(relative)):
        above = os.path.join(folder, *relative[:depth])
        if above not in folders:
            return above
    return path


def _stray(place: str, paths: list[str], folder: str) -> StrayFile:
    starting = extends = False
    for path in paths:
        relative = os.path.relpath(path, folder).replace(os.sep, "/")
        if is_start_up_file(relative):
            try:
                runs, more = obeys(relative, read_file(path))
            except OSError:
                runs, more = True, False
            starting, extends = starting or runs, extends or more
    return StrayFile(
        path=place, files=len(paths), starting=starting, extends=extends, digest=_digest(place, sorted(paths))
    )


def _digest(place: str, paths: list[str]) -> Digest | None:
    """Return the digest of a file, or of the list of a folder's files with their digests."""
    try:
        if paths == [place]:
            return Digest.sha256(_sha256(place))
        listing = "".join(f"{os.path.relpath(path, place)!a} {_sha256(path)}\n" for path in paths)
    except OSError:
        return None
    return Digest.sha256(hashlib.sha256(listing.encode()).hexdigest())


def _sha256(path: str) -> str:
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _walk(folder: str) -> Iterator[str]:
    """Yield every file below a folder but compiled ones beside their source; links to folders are not followed."""
    number = 0
    for parent, names, files in os.walk(folder, onerror=_refuse):
        names[:] = [name for name in names if name != "__pycache__"]
        for name in files:
            number += 1
            if number > _MOST_FILES:
                raise SourceError(f"holds more than {_MOST_FILES} files", where=folder)
            yield os.path.join(parent, name)


def _refuse(error: OSError) -> None:
    raise SourceError(f"cannot be read: {error.strerror}", where=os.fsdecode(error.filename or "")) from error


def is_below(place: str, folder: str) -> bool:
    """Say whether a path lies in a folder."""
    return place.startswith(os.path.join(folder, ""))


def open_file(path: str) -> BufferedReader:
    """Open a regular file; a named pipe or a device would let its reader wait for ever.

    Raises:
        OSError: It cannot be read or is no regular file.
    """
    file = open(os.open(path, _OPEN), "rb")  # noqa: SIM115 - the caller closes it
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is not a regular file", path)
    return file


def read_file(path: str, most: int = _LARGEST_TEXT) -> bytes:
    """Return the bytes of a small regular file.

    Raises:
        OSError: It cannot be read, is no regular file, or too large.
    """
    with open_file(path) as file:
        if os.fstat(file.fileno()).st_size > most:
            raise OSError(errno.EFBIG, "it is too large", path)
        return file.read(most)
