"""Where `where` looks: the project, what the ledger recorded as documents on this host, and what a person named.

1. the lockfile of the project, bills of materials beside it, and its environment;
2. documents that the ledger says were written or signed here;
3. files and folders that are named; folders are walked.
"""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from weighlock.errors import UsageError
from weighlock.gates.where_documents import BILL, LOCKFILE, kind_of
from weighlock.incidents.reach import Gap

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BILLS = (".cdx.json", ".spdx.json", ".spdx", ".bom.json", "bom.json", "sbom.json")
_NEVER = frozenset({".git", ".hg", ".svn", "node_modules", "__pycache__", ".tox", ".nox", ".mypy_cache", ".ruff_cache"})
_BEGINNING = 1 << 16
_FLAGS = sum((getattr(os, name, 0) for name in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY")), os.O_RDONLY)


@dataclass(slots=True)
class Found:
    """Places that were found, each once.

    Args:
        documents: Kind and absolute path of lockfiles and bills.
        environments: Library folders of environments, by the path of the environment.
        gaps: Folders that could not be walked.
    """

    documents: dict[tuple[str, str], None] = field(default_factory=dict)
    environments: dict[str, tuple[str, ...]] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)


def of_project(lock: Path) -> Found:
    """Return what belongs to a project.

    Args:
        lock: Its lockfile, which need not be there.
    """
    found = Found()
    if os.path.lexists(lock):
        found.documents[LOCKFILE, str(lock)] = None
    for name in _names(str(lock.parent), found):
        if _is_bill(name):
            found.documents[BILL, os.path.join(lock.parent, name)] = None
        elif name in {".venv", "venv"}:
            _add_environment(os.path.join(lock.parent, name), found)
    return found


def of_environment(active: str | None) -> Found:
    """Return the environment that is active, as a person sees it; else that of this program."""
    found = Found()
    if active:
        _add_environment(os.path.abspath(active), found)
    if not found.environments:
        folders = {sysconfig.get_path(name) for name in ("purelib", "platlib")} | _of_system()
        found.environments[sys.prefix] = tuple(sorted(folder for folder in folders if os.path.isdir(folder)))
    return found


def _of_system() -> set[str]:
    """Return the folders beside the usual one that the interpreter of a system has."""
    return set(site.getsitepackages()) if sys.prefix == sys.base_prefix else set()


def named(path: str) -> Found:
    """Return what is in a folder, or what a file is.

    Raises:
        UsageError: It is not there, or is neither a lockfile nor a bill.
    """
    found, place = Found(), os.path.abspath(path)
    if os.path.isdir(place):
        _walk(place, found)
        return found
    try:
        kind = _kind(place)
    except OSError as error:
        hint = "name a lockfile, a bill of materials, an environment, or a folder with some of them"
        raise UsageError(f"cannot be read: {error.strerror}", where=f"--in {path}", hint=hint) from None
    if kind is None:
        hint = "lockfiles (models.lock) and bills of materials (CycloneDX, SPDX as JSON) are read"
        raise UsageError("is neither a lockfile nor a bill of materials", where=f"--in {path}", hint=hint)
    found.documents[kind, place] = None
    return found


def recorded_kind(path: str) -> str | None:
    """Return what a recorded document is, or `None` where it is something else, such as a report.

    Raises:
        OSError: It is not there, or cannot be read.
    """
    return _kind(path)


def _walk(folder: str, found: Found) -> None:
    def unreadable(error: OSError) -> None:
        why = f"cannot be read: {error.strerror}"
        found.gaps.append(Gap(place=str(error.filename), why=why, remedy="let this user read it"))

    for where, folders, files in os.walk(folder, onerror=unreadable):
        if "pyvenv.cfg" in files:
            _add_environment(where, found)
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if name not in _NEVER)
        for name in sorted(files):
            path = os.path.join(where, name)
            if name == "models.lock" or name.endswith(".models.lock"):
                found.documents[LOCKFILE, path] = None
            elif _is_bill(name):
                found.documents[BILL, path] = None


def _add_environment(prefix: str, found: Found) -> None:
    """Add a virtual environment; without running anything of it, its library folders are known by their names."""
    if not os.path.isfile(os.path.join(prefix, "pyvenv.cfg")):
        return
    folders = tuple(_library_folders(prefix))
    found.environments[prefix] = folders
    if not folders:
        found.gaps.append(Gap(place=prefix, why="has no library folder", remedy="is it an environment?"))


def _library_folders(prefix: str) -> Iterator[str]:
    for library in ("lib", "lib64", "Lib"):
        base = os.path.join(prefix, library)
        if not os.path.isdir(base) or (library == "lib64" and os.path.islink(base)):
            continue
        names = sorted(os.listdir(base))
        inner = [os.path.join(base, name, "site-packages") for name in names if name.startswith(("python", "pypy"))]
        yield from filter(os.path.isdir, (*inner, os.path.join(base, "site-packages")))


def _names(folder: str, found: Found) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError as error:
        found.gaps.append(Gap(place=folder, why=f"cannot be read: {error.strerror}", remedy="let this user read it"))
        return []


def _is_bill(name: str) -> bool:
    return name.lower().endswith(_BILLS)


def _kind(path: str) -> str | None:
    with open(os.open(path, _FLAGS), "rb") as file:
        return kind_of(file.read(_BEGINNING))
