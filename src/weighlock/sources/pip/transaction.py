"""One installation at a time into an environment, and whole or not at all, whatever happens to its process.

1. The environment is held; a second installation waits. pip holds it as well, for as long as it works.
2. What an earlier process left unfinished is rolled back.
3. The journal is written; from here on a kill leaves something to roll back.
4. pip works.
5. The journal goes away: complete. Or it is rolled back: unchanged.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from weighlock.errors import SourceError
from weighlock.files import read_regular, unfinished_file_errors, write_atomically
from weighlock.own_saves import state_folder
from weighlock.sources.exclusive import LOCK, acquire, acquire_now
from weighlock.sources.pip.footprint import JOURNAL_FOLDER
from weighlock.sources.pip.journal import JOURNAL, begin, read, roll_back

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from weighlock.sources.interface import Progress

_PIP = "pip-"
_NOTES = "installing"
_LARGEST_NOTE = 1 << 16
_ENDINGS = ("SIGTERM", "SIGHUP")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """An environment that may be changed now.

    Args:
        temporary: A folder on the same file system.
        file: To be locked by whoever changes the environment, so that nobody else does while that process lives.
    """

    temporary: Path
    file: Path


@contextlib.contextmanager
def transaction(
    destination: str,
    paths: Callable[[], Iterable[str]],
    roots: Iterable[str],
    *,
    environ: Mapping[str, str],
    progress: Progress,
) -> Iterator[Hold]:
    """Change an environment whole or not at all.

    Args:
        destination: The folder of its packages.
        paths: Says, when the environment is held, what may be written.
        roots: The folders of the environment.
        environ: Says where this user's state lies.
        progress: Told when another installation is waited for.

    Raises:
        SourceError: An earlier installation had been cut off; it is rolled back now, so what was decided since is void.
        WeighlockError: The file system refused; the environment is unchanged.
    """
    made = _missing_folders(destination)
    with _orderly_end(), _held(destination, made, environ, progress) as folder:
        if _recover(folder):
            raise SourceError(
                "an earlier installation into this environment had been cut off; it is rolled back now",
                where=destination,
                hint="run the same command again",
            )
        _clear(folder)
        hold = Hold(temporary=folder / "tmp", file=folder / f"{_PIP}{secrets.token_hex(8)}")
        hold.temporary.mkdir()
        hold.file.touch()
        try:
            journal = begin(folder, paths(), roots, made)
            yield hold
        except BaseException:
            _recover(folder)
            raise
        journal.commit()


@contextlib.contextmanager
def _held(destination: str, made: Iterable[str], environ: Mapping[str, str], progress: Progress) -> Iterator[Path]:
    """Hold an environment alone, and leave nothing in it but a journal that still counts."""
    folder, note = Path(destination, JOURNAL_FOLDER), _note(destination, environ)
    with unfinished_file_errors(folder):
        _write_note(note, destination)
        descriptor = acquire(folder, progress)
        try:
            yield folder
        finally:
            if not (folder / JOURNAL).exists():
                _leave(folder, made)
                _forget(note)
            os.close(descriptor)


def recover(environ: Mapping[str, str]) -> list[str]:
    """Roll back every installation of this user whose process is gone.

    Returns:
        The environments that were put back, each by the folder of its packages.

    Raises:
        SourceError: A journal cannot be read.
        WeighlockError: The file system refused.
    """
    done = []
    for note, destination in _unfinished(environ):
        folder = Path(destination, JOURNAL_FOLDER)
        with unfinished_file_errors(folder):
            descriptor = acquire_now(folder) if folder.exists() else None
            if descriptor is None:
                if not folder.exists():
                    _forget(note)
                continue  # else it is held: somebody works in there
            try:
                journal = read(folder)
                if journal and _is_at_work(folder):
                    continue
                if _recover(folder):
                    done.append(destination)
                _leave(folder, journal.made if journal else ())
                _forget(note)
            finally:
                os.close(descriptor)
    return done


def unfinished(environ: Mapping[str, str], *destinations: str) -> list[str]:
    """Say which environments hold an installation that was cut off, and change nothing.

    Args:
        environ: Says where this user's state lies.
        destinations: Folders of packages to look into as well, whoever worked there.
    """
    known = dict.fromkeys([*(destination for _, destination in _unfinished(environ)), *destinations])
    found = []
    for destination in known:
        folder = Path(destination, JOURNAL_FOLDER)
        with contextlib.suppress(OSError):
            if (folder / JOURNAL).exists() and not _is_held(folder):
                found.append(destination)
    return found


def _is_held(folder: Path) -> bool:
    try:
        descriptor = acquire_now(folder)
    except SourceError:  # another user's, so that nothing follows
        return False
    if descriptor is None:
        return True
    try:
        return _is_at_work(folder)
    finally:
        os.close(descriptor)


def _recover(folder: Path) -> bool:
    journal = read(folder)
    if journal is None:
        return False
    _is_at_work(folder, wait=True)
    roll_back(journal)
    return True


def _is_at_work(folder: Path, *, wait: bool = False) -> bool:
    """Say whether a pip whose weighlock is gone still works there; after a wait none does, and none will."""
    if sys.platform == "win32":
        return False
    import fcntl

    for path in folder.glob(f"{_PIP}*"):
        with open(path, "r+b") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            if wait:
                path.unlink()
    return False


def _clear(folder: Path) -> None:
    """Remove what was left behind after everything was decided."""
    for entry in list(os.scandir(folder)):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        elif entry.name != LOCK:
            os.unlink(entry.path)


def _leave(folder: Path, made: Iterable[str]) -> None:
    """Remove the folder, the lock last, and what was made for it if nothing else is in there."""
    with contextlib.suppress(OSError):  # what stays is cleared by the next installation
        _clear(folder)
        (folder / LOCK).unlink()
        folder.rmdir()
        for parent in made:
            os.rmdir(parent)


def _missing_folders(path: str) -> list[str]:
    """Return the folders that are not there, the innermost first."""
    found = []
    while not os.path.lexists(path):
        found.append(path)
        path = os.path.dirname(path)
    return found


def _notes(environ: Mapping[str, str]) -> Path | None:
    folder = state_folder(environ)
    return Path(folder, _NOTES) if folder else None


def _note(destination: str, environ: Mapping[str, str]) -> Path | None:
    folder = _notes(environ)
    return folder and folder / hashlib.sha256(os.fsencode(destination)).hexdigest()


def _write_note(note: Path | None, destination: str) -> None:
    if note is not None:
        note.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(note, os.fsencode(destination))


def _forget(note: Path | None) -> None:
    if note is not None:
        note.unlink(missing_ok=True)


def _unfinished(environ: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    folder = _notes(environ)
    with contextlib.suppress(FileNotFoundError):
        for note in sorted(folder.iterdir()) if folder else ():
            destination = os.fsdecode(read_regular(note, _LARGEST_NOTE))
            if note.name == hashlib.sha256(os.fsencode(destination)).hexdigest() and os.path.isabs(destination):
                yield note, destination


@contextlib.contextmanager
def _orderly_end() -> Iterator[None]:
    """Let the signals that end a process be errors here, so that there is a roll-back."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {}
    for name in _ENDINGS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            before[number] = signal.signal(number, _end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)
