"""The lockfile and other small files on disk: read whole, written atomically."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from weighlock.errors import LockfileError, WeighlockError
from weighlock.lockfile import Lockfile, comments_of, parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_LARGEST_LOCKFILE = 256 << 20
"""Bytes; a lockfile of a million files has about 200 MB."""


def read_lockfile(path: str | os.PathLike[str]) -> Lockfile:
    """Read a lockfile.

    Raises:
        LockfileError: It is missing, unreadable or broken; `where` is the path, the line and the key.
    """
    text = read_lockfile_text(path)
    try:
        return parse(text)
    except LockfileError as error:
        error.where = f"{path}, {error.where}" if error.where else str(path)
        raise


def read_lockfile_text(path: str | os.PathLike[str]) -> str:
    """Return the text of a lockfile.

    Raises:
        LockfileError: It is missing, unreadable, not UTF-8 or absurdly large.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib costs the guard its start-up time
            data = file.read(_LARGEST_LOCKFILE + 1)
    except FileNotFoundError:
        raise LockfileError(
            "there is no lockfile", where=str(path), hint="write one with `weighlock lock MODEL`"
        ) from None
    except OSError as error:
        raise LockfileError(f"cannot be read: {error.strerror}", where=str(path)) from error
    if len(data) > _LARGEST_LOCKFILE:
        raise LockfileError(f"is larger than {_LARGEST_LOCKFILE} bytes", where=str(path))
    try:
        return data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise LockfileError("is not UTF-8", where=f"{path}, line {line}") from error


def write_lockfile(
    path: Path, lockfile: Lockfile, comments: Mapping[tuple[str, str | None], Sequence[str]] | None = None
) -> bool:
    """Write a lockfile atomically; comments that people wrote in the old one are kept.

    Args:
        path: Its place; a symbolic link may point to a file of the same folder only.
        lockfile: What to write.
        comments: Lines that replace those of the old file, by model and file.

    Returns:
        Whether the file changed.

    Raises:
        LockfileError: The old file is broken, or the new one cannot be written.
    """
    old, kept = "", {}
    if os.path.lexists(path):
        old = read_lockfile_text(path)
        parse(old)
        kept = comments_of(old)
    text = lockfile.dumps({**kept, **(comments or {})})
    parse(text)
    if text == old:
        return False
    write_atomically(_place(path), text.encode())
    return True


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file by other bytes, all or nothing, and keep its mode.

    Raises:
        WeighlockError: The file system refused; the old file is untouched.
    """
    with unfinished_file_errors(path):
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fchmod(file.fileno(), _mode(path))
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
        raise WeighlockError(
            f"cannot be written: {reason}", where=str(path), hint="nothing was changed; make room and run it again"
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
