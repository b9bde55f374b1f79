"""The lockfile and other small files on disk: read whole, written atomically."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import sys
import tempfile
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from weighlock.errors import LockfileError, WeighlockError
from weighlock.lockfile import Lockfile, comments_of, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Comments = dict[tuple[str, str | None], tuple[str, ...]]
"""Comment lines by model, or by model and file."""

_LARGEST_LOCKFILE = 256 << 20
"""Bytes; a lockfile of a million files has about 200 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """A lockfile before and after.

    Args:
        old: Before.
        new: After.
        written: Whether the text changed.
    """

    old: Lockfile
    new: Lockfile
    written: bool


def read_lockfile(path: str | os.PathLike[str]) -> Lockfile:
    """Read a lockfile.

    Raises:
        LockfileError: It is missing, unreadable or broken; `where` is the path, the line and the key.
    """
    return parse_lockfile(read_lockfile_bytes(path), path)


def parse_lockfile(data: bytes, path: str | os.PathLike[str]) -> Lockfile:
    """Parse the bytes of a lockfile.

    Args:
        data: All of them.
        path: Where they were read, for messages.

    Raises:
        LockfileError: They are broken; `where` is the path, the line and the key.
    """
    text = _lockfile_text(path, data)
    try:
        return replace(parse(text), digest=_digest(data))
    except LockfileError as error:
        error.where = f"{path}, {error.where}" if error.where else str(path)
        raise


def read_lockfile_text(path: str | os.PathLike[str]) -> str:
    """Return the text of a lockfile.

    Raises:
        LockfileError: It is missing, unreadable, not UTF-8 or absurdly large.
    """
    return _lockfile_text(path, read_lockfile_bytes(path))


def read_lockfile_bytes(path: str | os.PathLike[str]) -> bytes:
    """Return the bytes of a lockfile, read once.

    Raises:
        LockfileError: It is missing, unreadable or absurdly large.
    """
    try:
        data = read_regular(path, _LARGEST_LOCKFILE + 1)
    except FileNotFoundError:
        if os.path.islink(path):
            raise LockfileError("is a link to nothing", where=str(path), hint="remove it") from None
        raise LockfileError(
            "there is no lockfile", where=str(path), hint="write one with `weighlock lock MODEL`"
        ) from None
    except OSError as error:
        raise LockfileError(
            f"cannot be read: {error.strerror}", where=str(path), hint="it has to be a file that you may read"
        ) from error
    if len(data) > _LARGEST_LOCKFILE:
        raise LockfileError(f"is larger than {_LARGEST_LOCKFILE} bytes", where=str(path))
    return data


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _lockfile_text(path: str | os.PathLike[str], data: bytes) -> str:
    try:
        return data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        hint = "restore it from version control"
        raise LockfileError("is not UTF-8", where=f"{path}, line {line}", hint=hint) from error


def read_regular(path: str | os.PathLike[str], most: int = -1) -> bytes:
    """Return the bytes of a regular file; a named pipe or a device would let its reader wait for ever.

    Args:
        path: Its name.
        most: Bytes to read at most; all by default.

    Raises:
        OSError: It cannot be read or is no regular file.
    """
    optional = ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY")
    descriptor = os.open(path, sum((getattr(os, name, 0) for name in optional), os.O_RDONLY))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    with open(descriptor, "rb") as file:
        return file.read(most)


def update_lockfile(
    path: Path,
    change: Callable[[Lockfile], Lockfile],
    comment: Callable[[Lockfile, Lockfile, Comments], Comments] | None = None,
) -> Update:
    """Change a lockfile atomically; no other update gets lost, and comments that people wrote are kept.

    Args:
        path: Its place; a symbolic link may point to a file of the same folder only.
        change: Makes the new lockfile from the one that is there now, or from an empty one.
        comment: Makes comments that replace those of the old file, from the old and the new lockfile and the old
            comments.

    Raises:
        LockfileError: The old file is broken, or the new one would be.
        WeighlockError: The file system refused; the old file is untouched.
    """
    with exclusive(path):
        place = _place(path)
        text = read_lockfile_text(place) if os.path.lexists(place) else ""
        old = read_lockfile(place) if text else Lockfile()
        kept = comments_of(text)
        new = change(old)
        made = comment(old, new, kept) if comment is not None else {}
        dumped = new.dumps({**kept, **made})
        parse(dumped)
        data = dumped.encode()
        if dumped != text:
            write_atomically(place, data)
        return Update(old=old, new=replace(new, digest=_digest(data)), written=dumped != text)


def write_atomically(path: Path, data: bytes, *, mode: int | None = None) -> None:
    """Replace a file by other bytes, all or nothing.

    Args:
        path: Of the file.
        data: All its new bytes.
        mode: Its new permissions; by default it keeps those that it has.

    Raises:
        WeighlockError: The file system refused; the old file is untouched.
    """
    with unfinished_file_errors(path):
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fchmod(file.fileno(), _mode(path) if mode is None else mode)
                os.fsync(file.fileno())
            os.replace(name, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
        sync_folder(path.parent)


@contextlib.contextmanager
def unfinished_file_errors(path: Path) -> Iterator[None]:
    """Turn what a file system refuses, such as a full disk, into one clear line.

    Raises:
        WeighlockError: An `OSError` was raised inside.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        step = "make room and run it again" if full else "its folder has to be there, and you need to be able to write"
        raise WeighlockError(
            f"cannot be written: {reason}", where=str(path), hint=f"nothing was changed; {step}"
        ) from error


def sync_folder(folder: Path) -> None:
    """Make a rename in that folder survive a power cut, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _place(path: Path) -> Path:
    if not path.is_symlink():
        return path
    target = path.resolve()
    if target.parent != path.parent.resolve():
        raise LockfileError(
            "is a symbolic link out of its folder, and would be written through it",
            where=str(path),
            hint="replace the link by the file, or give its real place with --lockfile",
        )
    return target


def _mode(path: Path) -> int:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the folder of a file, so that two updates of the file come one after the other.

    Raises:
        WeighlockError: The folder cannot be opened.
    """
    if sys.platform == "win32":  # The rename is still atomic, but of two updates at once the last one counts.
        yield
        return
    import fcntl

    with unfinished_file_errors(path):
        descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with unfinished_file_errors(path):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
