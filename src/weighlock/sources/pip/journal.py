"""An environment is changed whole or not at all: what may be written is noted, and what is there is kept, beforehand.

The journal lies in the environment, beside its packages, so whoever installs next finds it, from whichever process,
user or machine; a note in this user's state folder says which environments have one. It holds hard links to the files
that pip may replace, which cost neither time nor room (pip never writes into a file that is there, it makes new ones),
and copies where a file system has none.

A roll-back may itself be cut off at any moment and is then done again: what was put back is not put back twice.

- No journal: nothing was changed, or everything was.
- A journal: what it lists is taken away, and what it kept is put back.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import stat
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from weighlock.errors import SourceError
from weighlock.files import read_regular, sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

JOURNAL = "journal.json"
"""The file; while it is there, the environment is neither as it was nor as it is to be."""

_KEPT = "kept"
_VERSION = 1
_LARGEST = 256 << 20  # bytes; an environment of a million files has about 200 MB
_NO_LINKS = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EACCES, errno.ENOSYS)
_STASH = "~"  # how pip begins the names of folders that it moves aside


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """What an installation may change, and what was there.

    Args:
        folder: Where it lies.
        roots: The folders of the environment, of which one holds the journal.
        fresh: Folders and files that are not there, so that whatever is there later goes away with all that is in it.
        swept: Folders that pip may replace as a whole, so that what was not there goes away.
        kept: Files and links that are there, each with the name under which it is kept.
        stashes: Folders in which pip may move others aside, each with names of that kind that are there already.
        made: Folders that were made for the journal, the innermost first.
    """

    folder: Path
    roots: tuple[str, ...]
    fresh: tuple[str, ...] = ()
    swept: tuple[str, ...] = ()
    kept: dict[str, str] = field(default_factory=dict)
    stashes: dict[str, list[str]] = field(default_factory=dict)
    made: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / JOURNAL

    def commit(self) -> None:
        """Declare the installation complete; from here on it stays."""
        self.path.unlink()
        sync_folder(self.folder)


def begin(folder: Path, paths: Iterable[str], roots: Iterable[str], made: Sequence[str] = ()) -> Journal:
    """Keep what may be replaced, and write the journal; only then anything may be changed.

    Args:
        folder: Where it goes, which this process holds.
        paths: Everything that may be written, replaced or taken away.
        roots: The folders of the environment.
        made: Folders that were made for the journal, the innermost first.

    Raises:
        OSError: There is no room, or a file cannot be read. Nothing was changed.
    """
    plan = _plan(sorted(set(paths)), folder)
    (folder / _KEPT).mkdir()
    kept = {}
    for number, path in enumerate(plan.present):
        kept[path] = str(number)
        _keep(path, folder / _KEPT / str(number))
    stashes = {place: _stashes(place) for place in _parents(kept, tuple(roots))}
    journal = Journal(
        folder=folder,
        roots=tuple(sorted(roots)),
        fresh=tuple(sorted(plan.fresh)),
        swept=tuple(sorted(plan.swept)),
        kept=kept,
        stashes=stashes,
        made=tuple(made),
    )
    _write(journal)
    return journal


def read(folder: Path) -> Journal | None:
    """Return the journal of an installation that was cut off, or `None` where there is none.

    Raises:
        SourceError: It cannot be read, so nobody knows what was changed.
    """
    try:
        journal = _parsed(folder, json.loads(read_regular(folder / JOURNAL, _LARGEST)))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise SourceError(
            f"the journal of an installation that was cut off cannot be read: {error}",
            where=str(folder / JOURNAL),
            hint="make the environment anew; what was replaced is kept beside the journal",
        ) from error
    return journal


def _parsed(folder: Path, data: dict[str, Any]) -> Journal:
    """Make it from what is written; a stray file must not make us delete what is elsewhere.

    Raises:
        ValueError: It is about another environment, or malformed.
    """
    if data.pop("version") != _VERSION:
        raise ValueError("it is of another version of weighlock")
    lists = {key: tuple(value) for key, value in data.items() if isinstance(value, list)}
    journal = Journal(folder=folder, **{**data, **lists})
    if os.path.dirname(os.path.realpath(folder)) not in {os.path.realpath(root) for root in journal.roots}:
        raise ValueError("it is about another environment")
    if not all(name.isdecimal() for name in journal.kept.values()):
        raise ValueError("it is malformed")
    return journal


def roll_back(journal: Journal) -> None:
    """Put the environment back as it was, and forget the journal.

    Raises:
        OSError: Something cannot be put back; the journal stays, and the next attempt goes on from there.
    """
    for path in journal.fresh:
        _remove(path)
    for folder in journal.swept:
        _sweep(folder, journal.kept)
    for place, before in journal.stashes.items():
        for name in set(_stashes(place)) - set(before):
            _remove(os.path.join(place, name))
        _remove_unfinished(place)
    for path, name in journal.kept.items():
        _put_back(journal.folder / _KEPT / name, path)
    journal.commit()


@dataclass(slots=True)
class _Plan:
    fresh: set[str] = field(default_factory=set)
    swept: set[str] = field(default_factory=set)
    present: list[str] = field(default_factory=list)


def _plan(paths: Iterable[str], folder: Path) -> _Plan:
    plan, known = _Plan(), dict[str, str | None]()
    for path in paths:
        missing = _missing(os.path.dirname(path), known)
        if missing is not None:
            plan.fresh.add(missing)
        elif not os.path.lexists(path):
            plan.fresh.add(path)
        elif os.path.isdir(path) and not os.path.islink(path):
            plan.swept.add(path)
            plan.present.extend(_walk(path, os.fspath(folder)))
        else:
            plan.present.append(path)
    return plan


def _missing(folder: str, known: dict[str, str | None]) -> str | None:
    """Return the topmost folder of a path that is not there."""
    if folder not in known:
        parent = os.path.dirname(folder)
        above = _missing(parent, known) if parent != folder else None
        known[folder] = above or (None if os.path.lexists(folder) else folder)
    return known[folder]


def _walk(folder: str, leave_out: str) -> Iterator[str]:
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if os.path.join(parent, name) != leave_out]
        links = (name for name in folders if os.path.islink(os.path.join(parent, name)))
        yield from (os.path.join(parent, name) for name in (*files, *links))


def _keep(path: str, place: Path) -> None:
    try:
        if path.endswith(".pth"):  # the one kind of file into which old installers write
            raise OSError(errno.ENOTSUP, "must be a copy")  # noqa: TRY301 - as where the file system has no links
        os.link(path, place, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        shutil.copy2(path, place, follow_symlinks=False)


def _put_back(place: Path, path: str) -> None:
    try:
        status = place.lstat()
    except FileNotFoundError:  # an earlier attempt has put it back
        return
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    with contextlib.suppress(FileNotFoundError):
        if os.path.samestat(status, os.lstat(path)):
            return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        os.replace(place, path)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        beside = f"{path}.weighlock-{os.getpid()}"
        shutil.copy2(place, beside, follow_symlinks=False)
        os.replace(beside, path)


def _sweep(folder: str, kept: dict[str, str]) -> None:
    """Take away whatever was not in a folder."""
    for parent, folders, files in os.walk(folder, topdown=False):
        for name in (*files, *folders):
            path = os.path.join(parent, name)
            if os.path.isdir(path) and not os.path.islink(path):
                with contextlib.suppress(OSError):
                    os.rmdir(path)  # only where nothing is left in it
            elif path not in kept:
                os.unlink(path)


def _remove(path: str) -> None:
    try:
        if stat.S_ISDIR(os.lstat(path).st_mode):
            shutil.rmtree(path)
        else:
            os.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        return


def _remove_unfinished(folder: str) -> None:
    """Remove what a killed pip left half written: compiled files and records under a passing name."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for name in os.listdir(folder):
            compiled = os.path.basename(folder) == "__pycache__" and name.rpartition(".pyc.")[2].isdigit()
            record = folder.endswith(".dist-info") and name.endswith(".tmp")
            if compiled or record:
                _remove(os.path.join(folder, name))


def _stashes(folder: str) -> list[str]:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return [name for name in os.listdir(folder) if name.startswith(_STASH)]
    return []


def _parents(paths: Iterable[str], roots: tuple[str, ...]) -> set[str]:
    """Return every folder of these paths, up to the folders of the environment."""
    found = set[str]()
    for path in paths:
        folder = os.path.dirname(path)
        while folder not in found and folder.startswith(roots):
            found.add(folder)
            folder = os.path.dirname(folder)
    return found


def _write(journal: Journal) -> None:
    data = asdict(journal)
    del data["folder"]
    new = journal.path.with_suffix(".new")
    with open(new, "x", encoding="utf-8", errors="strict") as file:
        json.dump({"version": _VERSION, **data}, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, journal.path)
    sync_folder(journal.folder)
