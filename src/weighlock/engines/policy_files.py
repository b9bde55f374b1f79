"""Rego on disk: one file, or a folder of modules and data, read once, with the digest of exactly what was read.

A file that would not take part is an error and never passed over, since a rule that is missing may be the one that
denies: other data than ``data.json`` and ``data.yaml``, links that lead out of the folder, folders without a module.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weighlock.engines.policy_data import merged, parse_data
from weighlock.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_FILES = 200
_MOST_SEEN = 5000
_LARGEST_FILE = 4 << 20
_LARGEST = 16 << 20
_DATA = ("data.json", "data.yaml", "data.yml")
_NOT_READ = (".json", ".yaml", ".yml")
_PACKAGE = re.compile(r"(?:\s|#[^\n]*\n)*package[ \t]+([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)[ \t]*(?:\r?\n|#|;|\Z)")

Seen = tuple[tuple[str, int, int, int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFiles:
    """A policy as it was read.

    Args:
        modules: Name, relative to the folder, and text of every module, sorted.
        data: What is under ``data`` beside the rules.
        digest: Over the names and digests of all files, ``sha256:…``.
        seen: What the folder looked like before it was read.
    """

    modules: tuple[tuple[str, str], ...]
    data: dict[str, Any]
    digest: str
    seen: Seen


def look(path: str) -> Seen:
    """Return what tells whether anything changed since: names, sizes, times and numbers of all files.

    Raises:
        EngineError: It cannot be read.
    """
    try:
        found = []
        for name, file in _files(path):
            about = os.stat(file)
            found.append((name, about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino))
    except OSError as error:
        raise _unreadable(error, path) from None
    return tuple(found)


def read(path: str) -> PolicyFiles:
    """Read a policy.

    Raises:
        EngineError: It cannot be read, or part of it would not count.
    """
    seen = look(path)
    try:
        contents = [(name, _read(file, name)) for name, file in _files(path)]
    except OSError as error:
        raise _unreadable(error, path) from None
    if sum(len(data) for _, data in contents) > _LARGEST:
        raise EngineError(f"the policy is larger than {_LARGEST >> 20} MB", where=path)
    modules = tuple((name, _text(data, name)) for name, data in contents if name.endswith(".rego"))
    if not modules:
        raise EngineError("there is no policy: no file ends in .rego", where=path)
    data = merged((name, parse_data(name, data)) for name, data in contents if not name.endswith(".rego"))
    for name, text in modules:
        _require_own(name, text, data)
    return PolicyFiles(modules=modules, data=data, digest=_digest(contents), seen=seen)


def _digest(contents: list[tuple[str, bytes]]) -> str:
    table = [[name, hashlib.sha256(data).hexdigest()] for name, data in sorted(contents)]
    return f"sha256:{hashlib.sha256(json.dumps(table, separators=(',', ':')).encode()).hexdigest()}"


def _files(path: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the path of every file that counts, sorted."""
    if not os.path.isdir(path):
        if not path.endswith(".rego"):
            raise EngineError("must be a file that ends in .rego, or a folder with some", where=path)
        yield os.path.basename(path), path
        return
    root, found, seen = os.path.realpath(path), list[tuple[str, str]](), 0
    for folder, folders, files in os.walk(path, onerror=_raise):
        seen += len(files) + len(folders)
        if seen > _MOST_SEEN:
            raise EngineError(f"holds more than {_MOST_SEEN} files", where=path, hint="give policies their own folder")
        # What begins with a dot belongs to editors, to version control, and to mounted volumes.
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for linked in folders:
            _require_inside(os.path.join(folder, linked), root, follow=False)
        for file in sorted(files):
            if _counts(file):
                full = os.path.join(folder, file)
                _require_inside(full, root, follow=True)
                found.append((os.path.relpath(full, path).replace(os.sep, "/"), full))
                if len(found) > _MOST_FILES:
                    raise EngineError(f"a policy of more than {_MOST_FILES} files", where=path)
    yield from sorted(found)


def _counts(file: str) -> bool:
    if file.startswith("."):
        return False
    if file.lower().endswith(_NOT_READ) and file not in _DATA:
        raise EngineError("is data that would not count", where=file, hint=f"call it {_DATA[0]} or {_DATA[1]}")
    if file.lower().endswith(".rego") and not file.endswith(".rego"):
        raise EngineError("is a module that would not count", where=file, hint="its name must end in .rego")
    return file.endswith(".rego") or file in _DATA


def _require_inside(path: str, root: str, *, follow: bool) -> None:
    if not follow and os.path.islink(path):
        raise EngineError("is a link to a folder", where=path, hint="put the folder itself there")
    if not os.path.realpath(path).startswith(os.path.join(root, "")):
        raise EngineError("is a link that leads out of the policy's folder", where=path)


def _read(path: str, name: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise EngineError("is not a file", where=path)
        data = file.read(_LARGEST_FILE + 1)
    if len(data) > _LARGEST_FILE:
        raise EngineError(f"is larger than {_LARGEST_FILE >> 20} MB", where=name)
    return data


def _text(data: bytes, name: str) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise EngineError("is not UTF-8", where=name) from None
    if "\0" in text or text.startswith("\ufeff"):
        raise EngineError("is not plain text", where=name)
    return text


def _require_own(name: str, text: str, data: dict[str, Any]) -> None:
    """Refuse data where rules of a module stand: engines differ in which of the two counts."""
    match = _PACKAGE.match(text)
    if match is None:
        raise EngineError("does not begin with a package such as weighlock", where=f"{name}:1")
    place: Any = data
    for part in match[1].split("."):
        if not isinstance(place, dict) or part not in place:
            return
        place = place[part]
    raise EngineError(f"data stands at data.{match[1]}, where the rules of a module are", where=name)


def _unreadable(error: OSError, path: str) -> EngineError:
    where = error.filename if isinstance(error.filename, str) else path
    return EngineError(f"the policy cannot be read: {error.strerror or error}", where=where)


def _raise(error: OSError) -> None:
    raise error
