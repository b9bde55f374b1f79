"""What a bill of materials is made of that is not in the lockfile: folders, lists of packages, the project itself."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from weighlock.artifact import Digest
from weighlock.bom.names import is_repo, reference, relative
from weighlock.bom.values import APPLICATION, UNKNOWN, Component, Reference
from weighlock.digests import cores
from weighlock.errors import FormatError, OverBudgetError, SourceError, WeighlockError
from weighlock.files import read_regular
from weighlock.finding import unverifiable
from weighlock.formats.package_lock import LARGEST
from weighlock.formats.pyproject import Project as ProjectTable
from weighlock.formats.pyproject import project
from weighlock.gates.bom_packages import Package, from_list
from weighlock.gates.check_inputs import PROJECT, Reader
from weighlock.gates.judge import inspect_file, locked_file
from weighlock.gates.places import Places
from weighlock.lockfile import HubSource, LockedModel, PathSource
from weighlock.sources.directory import PRIVATE, identify
from weighlock.sources.disk import collect, every_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from weighlock.gates.bom import BomRequest
    from weighlock.gates.check_inputs import Inputs
    from weighlock.gates.project import Project
    from weighlock.install_policy import InstallPolicy
    from weighlock.lockfile import LockedFile
    from weighlock.sources.disk import FoundFile
    from weighlock.sources.interface import Progress

_COMMIT = re.compile(r"[0-9a-f]{40}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """A file or folder that was looked at now, in the form of a locked model.

    Args:
        model: With the digest of every file.
        places: Where its files lie.
        problems: Paths of files that could not be read, and why.
        newest: When the newest file was written.
        left_out: Folders of tools in it that nobody looked into.
    """

    model: LockedModel
    places: Places
    problems: tuple[tuple[str, str], ...] = ()
    newest: float = 0.0
    left_out: tuple[str, ...] = ()


def inspected(path: str, name: str, progress: Progress) -> Inspected:
    """Hash and inspect every file of a folder, or one file.

    Args:
        path: As a person named it.
        name: What it is called in the document.
        progress: Is told what is hashed.

    Raises:
        SourceError: It does not exist or holds no file.
    """
    if not os.path.lexists(path):
        raise SourceError("does not exist", where=path, hint="name a locked model, a file or a folder")
    root = os.path.normpath(path)
    single = not os.path.isdir(root)
    names, left_out = (collect([root]).files, ()) if single else every_name(root, PRIVATE)
    if not names:
        raise SourceError("there is no file in it", where=path, hint="name a folder with the files of a model")

    def look(found: FoundFile) -> LockedFile | tuple[str, str]:
        shown = os.path.basename(root) if single else os.path.relpath(found.path, root).replace(os.sep, "/")
        return _look(found, shown, progress)

    with ThreadPoolExecutor(max_workers=cores()) as pool:
        answers = list(pool.map(look, names))
    files = tuple(one for one in answers if not isinstance(one, tuple))
    times = [os.lstat(found.path).st_mtime for found in names]
    cached = None if single else hub_source(root)
    source = cached or PathSource(path=root)
    here = Path(os.curdir)
    return Inspected(
        model=LockedModel(name=cached.repo if cached else name, source=source, files=files),
        places=Places(folder=here, local=Path(root)) if cached else Places(folder=here),
        problems=tuple(one for one in answers if isinstance(one, tuple)),
        newest=max(times),
        left_out=tuple(os.path.relpath(path, root) for path in left_out),
    )


def hub_source(folder: str) -> HubSource | None:
    """Return the repository and the commit that a folder of a Hub cache is called by, if it is one.

    Source:
        "Understand caching", huggingface_hub's documentation.
    """
    snapshots, revision = os.path.split(os.path.abspath(folder))
    repository, name = os.path.split(snapshots)
    kind, *parts = os.path.basename(repository).split("--")
    repo = "/".join(parts)
    known = kind in {"models", "datasets", "spaces"} and name == "snapshots" and is_repo(repo)
    if not known or not _COMMIT.match(revision):
        return None
    return HubSource(repo=repo, type=kind.removesuffix("s"), ref=revision, revision=revision)


def beside(folder: Path, name: str) -> tuple[Reference, ...]:
    """Return a signature that lies beside the lockfile, with its digest. It is not verified here.

    Args:
        folder: Of the lockfile.
        name: Of the file.
    """
    if not os.path.isfile(folder / name):
        return ()
    digest = Digest.sha256(identify(folder / name).sha256)
    comment = "lies beside the lockfile, not verified here"
    return (Reference(kind="digital-signature", url=relative(name), digests=(digest,), comment=comment),)


def _look(found: FoundFile, shown: str, progress: Progress) -> LockedFile | tuple[str, str]:
    if found.problem:
        return shown, found.problem
    try:
        fetched = identify(Path(found.path), tick=progress.advance)
        inspection = inspect_file(fetched, shown)
    except WeighlockError as error:
        return shown, error.message
    except Exception as error:  # noqa: BLE001 - what cannot be judged is said to be so, and the others still count
        inspection = unverifiable(f"judging it failed with {type(error).__name__}")
    return locked_file(shown, fetched, inspection)


def listed_packages(
    lists: Inputs, *, python: str, environ: Mapping[str, str], policy: InstallPolicy, now: datetime
) -> list[Package]:
    """Return what requirements files and lockfiles list, as it stands there: nothing is resolved.

    Raises:
        WeighlockError: One cannot be read.
    """
    from dataclasses import replace

    reader = Reader(python=python, offline=True, complete=True, policy=policy, now=now, environ=environ)
    lists = replace(lists, environment=False, models=None)
    collected = reader.collect(lists, reader.requests(lists))
    return [from_list(one) for one in collected.lists]


def subject_of(place: Project, request: BomRequest) -> Component:
    """Return what is described as a whole: the project as its ``pyproject.toml`` calls it, else the current folder."""
    told = _table(os.path.join(place.folder, PROJECT)) if request.locked or not request.paths else ProjectTable()
    fallback = request.paths[0] if request.paths and not request.locked else str(place.folder)
    name = told.name or os.path.basename(os.path.abspath(fallback)) or "system"
    gaps = [gap for gap, value in (("producer", told.authors), ("version", told.version)) if not value]
    if not told.description:
        gaps.append("intended-uses")
    return Component(
        kind=APPLICATION,
        ref=reference("system", name, *([told.version] if told.version else [])),
        name=name,
        version=told.version,
        description=told.description,
        producer=", ".join(told.authors) or None,
        properties=tuple((UNKNOWN, gap) for gap in sorted(gaps)),
    )


def _table(path: str) -> ProjectTable:
    try:
        return project(read_regular(path, LARGEST).decode("utf-8"))
    except (OSError, UnicodeDecodeError, FormatError, OverBudgetError):
        return ProjectTable()  # it names the system, and nothing else depends on it
