"""Everything that lies in a folder, whoever left it there: nothing is skipped, and no link leads out.

`directory.list_directory` skips the folders of tools, because no loader of the model takes their files. Who compares a
folder with what somebody signed must not: Python runs what lies in ``__pycache__``, and git what lies in ``.git``.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from weighlock.errors import SourceError
from weighlock.sources.directory import blob_folders

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MOST = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """One name in a folder that is not itself a folder.

    Args:
        path: Relative, with ``/``; bytes that are no Unicode are halves of surrogate pairs in it.
        place: Where it is.
        size: Bytes of the file.
        link: It is a link, to a file that is allowed.
        problem: Why it is not a file that may be read, such as a link out of the folder.
    """

    path: str
    place: Path
    size: int = 0
    link: bool = False
    problem: str | None = None


def list_everything(folder: Path) -> tuple[Name, ...]:
    """List every name below a folder, sorted.

    Links to files inside the folder, and from the snapshot of a Hub cache to its blobs, count as the files; every
    other link, links to folders included, is a problem.

    Raises:
        SourceError: A folder cannot be read, or holds absurdly many names.
    """
    roots = (folder.resolve(), *blob_folders(folder.resolve()))
    found: list[Name] = []
    for place in _walk(folder):
        if len(found) >= _MOST:
            raise SourceError(f"holds more than {_MOST} files", where=str(folder))
        found.append(_look(place, place.relative_to(folder).as_posix(), roots))
    return tuple(sorted(found, key=lambda name: name.path))


def _walk(folder: Path) -> Iterator[Path]:
    """Yield everything that is no folder; with a stack, since `os.walk` of Python 3.11 recurses."""
    waiting = [os.fspath(folder)]
    while waiting:
        parent = waiting.pop()
        try:
            with os.scandir(parent) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        yield Path(entry.path)
        except OSError as error:
            raise SourceError(f"cannot be read: {error.strerror}", where=parent[:200]) from error


def _look(place: Path, path: str, roots: Sequence[Path]) -> Name:
    link = place.is_symlink()
    try:
        target = place.resolve(strict=True)
    except (OSError, RuntimeError):  # Python before 3.13 raises RuntimeError for a loop.
        return Name(path=path, place=place, problem="is a link in a circle or to nothing")
    if link and not any(target.is_relative_to(root) for root in roots):
        return Name(path=path, place=place, link=True, problem="is a link out of the folder")
    if not target.is_file():
        return Name(path=path, place=place, problem="is a link to a folder" if link else "is not a regular file")
    return Name(path=path, place=place, size=target.stat().st_size, link=link)
