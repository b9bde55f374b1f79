"""Moving a file out of the quarantine to where loaders look for it: by one rename, inside its folder, with its mode."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

from weighlock.errors import SourceError
from weighlock.files import sync_folder, unfinished_file_errors

if TYPE_CHECKING:
    from pathlib import Path

    from weighlock.sources.interface import Fetched


def publish_to_folder(root: Path, path: str, fetched: Fetched) -> Path:
    """Move a file out of the quarantine into a plain folder.

    Raises:
        WeighlockError: The file system refuses, or a link leads out of the folder.
    """
    target = root / path
    with unfinished_file_errors(target):
        make_inside(target.parent, root)
        _publish_mode(fetched.place, target.parent)
        os.replace(fetched.place, target)
        sync_folder(target.parent)
    return target


def publish_blob(root: Path, blob: Path, pointer: Path, fetched: Fetched) -> Path:
    """Move a file out of the quarantine to its place by content, and let a name lead to it.

    Args:
        root: Nothing is written outside of it.
        blob: The place of the bytes.
        pointer: The name.
        fetched: A judged file on the same file system.

    Returns:
        The name.

    Raises:
        WeighlockError: The file system refuses; then nothing was published.
    """
    with unfinished_file_errors(pointer):
        for folder in (blob.parent, pointer.parent):
            make_inside(folder, root)
        _publish_mode(fetched.place, blob.parent)
        os.replace(fetched.place, blob)
        _point(pointer, blob)
        sync_folder(blob.parent)
        sync_folder(pointer.parent)
    return pointer


def make_inside(folder: Path, root: Path) -> None:
    """Make a folder below a root.

    Raises:
        SourceError: A link leads out of the root.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not folder.resolve().is_relative_to(root.resolve()):
        raise SourceError(f"a link leads out of {root}", where=str(folder), hint="remove the link")


def _publish_mode(place: Path, folder: Path) -> None:
    """Give a quarantined file (0600) the mode that new files have in its new folder."""
    probe = folder / f".weighlock-{secrets.token_hex(4)}"
    descriptor = os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666)
    try:
        place.chmod(os.fstat(descriptor).st_mode & 0o666)
    finally:
        os.close(descriptor)
        probe.unlink()


def _point(pointer: Path, blob: Path) -> None:
    """Replace the pointer of a snapshot by one to this blob, all or nothing."""
    temporary = pointer.with_name(f".{pointer.name}.{os.getpid()}.new")
    temporary.unlink(missing_ok=True)
    try:
        temporary.symlink_to(os.path.relpath(blob, pointer.parent))
    except OSError:
        os.replace(blob, pointer)  # No symbolic links here: huggingface_hub moves the blob, too.
        return
    os.replace(temporary, pointer)
