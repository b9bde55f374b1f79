"""Files on this machine's disks: single files, folders, and Hub caches, where many links lead to one blob."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

_Identity = tuple[int, int]

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFile:
    """A path that was found, or that could not be followed.

    Args:
        path: As a person would name it.
        problem: Why it cannot be opened, or ``None`` for a regular file.
    """

    path: str
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """What lies under the paths that were asked for.

    Args:
        files: Each file once, sorted by path.
        repeats: How many more paths lead to files that are listed already.
    """

    files: tuple[FoundFile, ...]
    repeats: int = 0


def collect(paths: Iterable[str]) -> Collection:
    """Find every file under some paths, hidden ones included, and open none.

    Links are followed, because a loader would follow them; a folder is entered once, so that loops end.
    A file with several names is listed once, under the name of a Hub snapshot rather than that of its blob.

    Args:
        paths: Files and folders.

    Returns:
        The files, with a problem where a path is missing, unreadable or not a regular file.
    """
    found: dict[_Identity, str] = {}
    problems: dict[str, str] = {}
    names = 0
    for path in paths:
        for name, answer in _Walk(os.path.realpath(path)).walk(path):
            if isinstance(answer, str):
                problems[name] = answer
                continue
            names += 1
            known = found.get(answer)
            if known is None or _rank(name) < _rank(known):
                found[answer] = name
    files = [FoundFile(path=name) for name in found.values()]
    files += [FoundFile(path=name, problem=problem) for name, problem in problems.items()]
    files.sort(key=lambda file: file.path)
    return Collection(files=tuple(files), repeats=names - len(found))


def every_name(folder: str, private: Container[str] = ()) -> tuple[tuple[FoundFile, ...], tuple[str, ...]]:
    """List every path below a folder, also several names of one file, and open none.

    Args:
        folder: A folder.
        private: Names of folders that are not entered.

    Returns:
        Files, sorted by path; a link that leads out of the folder, other than from a Hub snapshot to its blobs, is a
        problem. And the folders that were not entered.
    """
    root = os.path.realpath(folder)
    blobs = os.path.join(os.path.dirname(os.path.dirname(root)), "blobs")
    homes = (root, blobs) if os.path.basename(os.path.dirname(root)) == "snapshots" else (root,)
    found = []
    walk = _Walk(root, private)
    for name, answer in walk.walk(folder):
        problem = answer if isinstance(answer, str) else None
        target = os.path.realpath(name)
        if problem is None and not any(target.startswith(os.path.join(home, "")) for home in homes):
            problem = "a link out of the folder"
        found.append(FoundFile(path=name, problem=problem))
    return tuple(sorted(found, key=lambda file: file.path)), tuple(sorted(walk.passed))


class _Walk:
    """One walk through a folder. Yields a path with the file's identity, or with the reason why it is not followed.

    Args:
        root: The real path of the folder.
        private: Names of folders that are not entered.
    """

    def __init__(self, root: str, private: Container[str] = ()) -> None:
        self._root = root
        self._private = private
        self.passed: list[str] = []
        self._entered: set[_Identity] = set()

    def walk(self, path: str) -> Iterator[tuple[str, _Identity | str]]:
        waiting = [path]
        while waiting:
            path = waiting.pop()
            try:
                status = os.stat(path)
            except OSError as error:
                yield path, _why(error)
                continue
            if not stat.S_ISDIR(status.st_mode):
                yield path, describe(status) or (status.st_dev, status.st_ino)
                continue
            identity = (status.st_dev, status.st_ino)
            if os.path.basename(path) in self._private and os.path.realpath(path) != self._root:
                self.passed.append(path)
                continue
            if identity in self._entered:
                continue
            self._entered.add(identity)
            if self._leads_above(path):
                yield path, "a link to a folder above the one that was asked for"
                continue
            try:
                waiting += sorted((entry.path for entry in os.scandir(path)), reverse=True)
            except OSError as error:
                yield path, _why(error)

    def _leads_above(self, path: str) -> bool:
        """Whether a link would widen the walk to what lies around the folder, the whole disk at worst."""
        if not os.path.islink(path):
            return False
        target = os.path.realpath(path)
        return target != self._root and os.path.join(self._root, "").startswith(os.path.join(target, ""))


def describe(status: os.stat_result) -> str | None:
    """Say why a file is not opened, or nothing where it is a regular file."""
    if stat.S_ISREG(status.st_mode):
        return None
    return f"not a regular file but {_KINDS.get(stat.S_IFMT(status.st_mode), 'something else')}"


def _rank(path: str) -> tuple[bool, str]:
    """Sort the names of one file; blobs of a Hub cache (``blobs/<etag>``, ``blobs/xx/<digest>``) come last."""
    return "blobs" in path.split(os.sep)[-3:-1], path


def _why(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()
