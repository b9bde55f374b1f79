"""Files and folders of this machine: listed without leaving the folder, and hashed through one open file."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from weighlock.digest_cache import key_of
from weighlock.digests import CHUNK, StreamHasher, sha256_and_chunks
from weighlock.errors import LockfileError, SourceError
from weighlock.lockfile import PathSource
from weighlock.lockfile_schema import check_path
from weighlock.sources.download import git_hasher
from weighlock.sources.interface import Fetched, Listing, Offer
from weighlock.toml import is_printable

if TYPE_CHECKING:
    import hashlib
    from collections.abc import Callable, Collection, Iterator

PRIVATE = frozenset({".git", ".cache", ".locks", ".weighlock-quarantine", "__pycache__"})
"""Folders of tools, whose files no loader of the model takes."""


def list_directory(place: Path, name: str, ignore: Collection[str] = ()) -> Listing:
    """List a file, or all regular files of a folder.

    Links are followed to files inside the folder, and from the snapshot of a Hub cache to its blobs.

    Args:
        place: The file or folder.
        name: What the lockfile calls it.
        ignore: Paths in the folder that are not looked at.

    Raises:
        SourceError: It is missing, holds a link that leads out or nowhere, or something that is not a file.
    """
    source = PathSource(path=name)
    if not place.is_dir():
        if not _status(place, name):
            raise SourceError("does not exist", where=name, hint="correct the path")
        return Listing(source=source, files=(_offer(place, place.name, name),))
    roots = (place.resolve(), *blob_folders(place.resolve()))
    offers = []
    for entry in _walk(place):
        relative = entry.relative_to(place).as_posix()
        if relative in ignore:
            continue
        target = _resolved(entry, f"{name}/{relative}")
        if not any(target.is_relative_to(root) for root in roots):
            raise SourceError("is a link out of the folder", where=f"{name}/{relative}", hint="lock its target")
        if not entry.is_dir():
            offers.append(_offer(entry, relative, name))
    return Listing(source=source, files=tuple(sorted(offers, key=lambda offer: offer.path)))


def open_regular(place: Path) -> int:
    """Open a file for reading and return its descriptor.

    Raises:
        SourceError: It cannot be read or is not a regular file.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(place, flags)
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", where=str(place)) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise SourceError("is not a regular file", where=str(place))
    return descriptor


@contextlib.contextmanager
def opened(place: Path) -> Iterator[tuple[int, int]]:
    """Open a regular file and give its descriptor and size.

    Raises:
        SourceError: It cannot be read or is not a regular file.
    """
    descriptor = open_regular(place)
    try:
        yield descriptor, os.fstat(descriptor).st_size
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", where=str(place)) from error
    finally:
        os.close(descriptor)


def identify(place: Path, *, git: bool = False, tick: Callable[[int], None] | None = None) -> Fetched:
    """Hash a file on this disk.

    Args:
        place: The file.
        git: Also compute the git blob id, where the file is small enough to have one.
        tick: Is told how many bytes were hashed; may raise to end it.

    Raises:
        SourceError: It cannot be read.
    """
    with opened(place) as (descriptor, size):
        stamp = stamp_of(descriptor)
        hasher = git_hasher(size) if git else None
        if hasher is None:
            sha256, chunks = sha256_and_chunks(descriptor, size, tick=tick)
        else:
            sha256, chunks = _small(descriptor, size, hasher, tick)
        if stamp_of(descriptor) != stamp:
            raise SourceError("changed while it was read", where=str(place), hint="run it again")
    git_id = hasher.hexdigest() if hasher is not None else None
    return Fetched(place=place, size=size, sha256=sha256, chunks=chunks, git_id=git_id, stamp=stamp)


def stamp_of(descriptor: int) -> tuple[int, ...]:
    """Return what changes when an open file is written to or exchanged."""
    return key_of(os.fstat(descriptor))


def _small(
    descriptor: int, size: int, git: hashlib._Hash, tick: Callable[[int], None] | None
) -> tuple[str, tuple[str, ...]]:
    whole = StreamHasher(CHUNK)
    while data := os.pread(descriptor, min(1 << 20, size - whole.size), whole.size):
        whole.update(data)
        git.update(data)
        if tick is not None:
            tick(len(data))
    return whole.digests()


def _offer(place: Path, relative: str, name: str) -> Offer:
    shown = relative if is_printable(relative) else ascii(relative)
    try:
        check_path(relative, f"{name}: {shown}")
    except LockfileError as error:
        raise SourceError(f"has a name that {error.message}", where=error.where, hint="rename it") from error
    status = _status(place, shown)
    if status is None or not stat.S_ISREG(status.st_mode):
        raise SourceError("is not a regular file", where=f"{name}: {shown}")
    return Offer(path=relative, size=status.st_size, local=place)


def _walk(folder: Path) -> Iterator[Path]:
    """Yield every file below a folder, and every link to a folder, which is not entered; however deep they lie."""
    waiting = [os.fspath(folder)]
    while waiting:
        for entry in _listed(waiting.pop()):
            if not _is_folder(entry):
                yield Path(entry.path)
            elif entry.name not in PRIVATE:
                if entry.is_symlink():
                    yield Path(entry.path)
                else:
                    waiting.append(entry.path)


def _listed(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", where=folder) from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # such as a link in a circle
        return False


def _resolved(place: Path, name: str) -> Path:
    try:
        return place.resolve(strict=True)
    except (OSError, RuntimeError):  # Python before 3.13 raises RuntimeError for a loop.
        raise SourceError("is a link in a circle or to nothing", where=name, hint="remove it") from None


def _status(place: Path, name: str) -> os.stat_result | None:
    try:
        return place.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", where=name) from error


def blob_folders(folder: Path) -> tuple[Path, ...]:
    """Return where the snapshot of a Hub cache keeps its bytes, if `folder` is one."""
    if folder.parent.name != "snapshots":
        return ()
    repository = folder.parent.parent
    return repository / "blobs", repository.parent / "blobs"
