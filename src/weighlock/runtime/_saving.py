"""Learns the digest of what a save function serialises, while it is being written.

The digest is that of the bytes which the save function handed over, not of what lies on the disk afterwards. So it does
not matter who else writes to that file or folder meanwhile, whether the name is a link, and what becomes of the file
later: what is trusted is these bytes, wherever they are found.

A save never fails for want of a record. Where the bytes cannot be followed, they are saved as ever and not recorded.
"""

from __future__ import annotations

import os
import sys

from weighlock.runtime import _gate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Save = Callable[[Any], Any]

_LARGE = 4 << 20
"""Bytes that are worth a thread, which hashes them while they are written."""

_COPIED = 8 << 20
"""Bytes that are copied at once."""


class Followed:
    """A file for a save function: what is written goes to another file, and into a digest.

    It has no descriptor on purpose, because writers that find one write past this object.

    Args:
        file: Takes the bytes.
    """

    def __init__(self, file: Any) -> None:
        from hashlib import sha256

        self._file = file
        self._hasher = sha256()
        self._lost = False
        self.size = 0

    @property
    def sha256(self) -> str | None:
        """The digest of everything that was written, or ``None`` where it was not written from first to last."""
        return None if self._lost or not self.size else self._hasher.hexdigest()

    def write(self, data: Any) -> Any:
        """Hand bytes on."""
        view = _bytes_of(data)
        if view is None:
            self._lost = True
            return self._file.write(data)
        if len(view) < _LARGE:
            self._hasher.update(view)
            written = self._file.write(data)
        else:
            beside = _Beside(self._hasher.update, view)
            try:
                beside.start()
                written = self._file.write(data)
            finally:
                beside.wait()
        self.size += len(view)
        if written is not None and written != len(view):
            self._lost = True
        return written

    def flush(self) -> None:
        """Flush the other file."""
        self._file.flush()

    def tell(self) -> int:
        """Return the position of the other file."""
        return self._file.tell()  # type: ignore[no-any-return]

    def seek(self, *place: int) -> int:
        """Move about in the other file, where this digest cannot follow."""
        self._lost = True
        return self._file.seek(*place)  # type: ignore[no-any-return]

    def seekable(self) -> bool:
        """Tell writers that have a choice to go from first to last."""
        return False

    def writable(self) -> bool:
        """Tell that bytes are taken."""
        return True


def into_path(path: str | bytes, save: Save) -> Any:
    """Save to a path and record what was written.

    Args:
        path: Opened as `open` does it.
        save: Saves to the file object that it is given, or where that cannot be opened, to the path.

    Returns:
        What `save` returns.
    """
    try:
        file = open(path, "wb")  # noqa: SIM115 - it is closed below; only failing to open it is no concern of ours
    except OSError:
        return save(path)  # which says so in its own words
    with file:
        followed = Followed(file)
        answer = save(followed)
    record(followed)
    return answer


def into_file(file: Any, save: Save) -> Any:
    """Save to a file object and record what was written to it.

    Args:
        file: Has a method `write`.
        save: Saves to the file object that it is given.

    Returns:
        What `save` returns.
    """
    followed = Followed(file)
    answer = save(followed)
    record(followed)
    return answer


def record(followed: Followed) -> None:
    """Record what was saved."""
    digest = followed.sha256
    if digest is not None:
        _gate.record_save(followed.size, digest)


def caller(*passed: str) -> str | None:
    """Return the name of the module that called a save function.

    Args:
        passed: Modules of that function, which are passed over as the guard's own are.
    """
    frame = sys._getframe(1)  # noqa: SLF001 - there is no public way to the caller's frame
    while frame.f_back is not None and _is_between(frame.f_globals.get("__name__"), passed):
        frame = frame.f_back
    return frame.f_globals.get("__name__")


def _is_between(name: object, passed: tuple[str, ...]) -> bool:
    return name in passed or (isinstance(name, str) and name.startswith("weighlock.runtime."))


def spool(beside: Any) -> Any:
    """Return an open file without a name, or ``None`` where that cannot be made.

    Args:
        beside: The path on whose disk it lies; anything else for the disk of temporary files.
    """
    from tempfile import TemporaryFile

    folder = os.path.dirname(beside) or os.curdir if is_path(beside) else None
    try:
        return TemporaryFile(dir=folder)
    except OSError:
        return None


def copying(file: Any) -> Save:
    """Return what saves by copying an open file from its beginning."""

    def save(target: Any) -> None:
        if not hasattr(target, "write"):  # it is a path that cannot be opened
            with open(target, "wb"):
                return
        file.seek(0)
        while data := file.read(_COPIED):
            target.write(data)

    return save


def is_path(target: object) -> bool:
    """Say whether a save function was given the name of a file."""
    return isinstance(target, str | os.PathLike)


def _bytes_of(data: Any) -> memoryview | None:
    try:
        return memoryview(data).cast("B")
    except (TypeError, ValueError):  # not bytes, or not in one piece
        return None


class _Beside:
    """Work on bytes in another thread, for as long as they are being written."""

    def __init__(self, work: Callable[[memoryview], object], data: memoryview) -> None:
        from _thread import allocate_lock

        self._work, self._data = work, data
        self._running = False
        self._done = allocate_lock()
        self._done.acquire()

    def start(self) -> None:
        """Begin; where no thread can be started, do it here."""
        self._running = True
        if not self._starts():
            self._run()

    def wait(self) -> None:
        """Wait for the end, come what may: whoever writes may free its memory after this.

        Raises:
            KeyboardInterrupt: It was pressed meanwhile.
        """
        interrupt = None
        while self._running:
            try:
                self._done.acquire(timeout=1)
            except BaseException as error:  # noqa: BLE001 - it is raised below
                interrupt = error
        if interrupt is not None:
            raise interrupt

    def _starts(self) -> bool:
        from _thread import start_new_thread

        if sys.is_finalizing():  # a new thread would not run any more
            return False
        try:
            start_new_thread(self._run, ())
        except RuntimeError:  # likewise, or there are too many
            return False
        return True

    def _run(self) -> None:
        try:
            self._work(self._data)
        finally:
            self._running = False
            self._done.release()
