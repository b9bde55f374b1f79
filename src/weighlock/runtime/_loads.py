"""Loads in progress: the judged open file of each, and which of them runs in this thread."""

from __future__ import annotations

import os
from _thread import _local

from weighlock.runtime import _gate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from weighlock.gates.admission import Admission

_thread = _local()
_descriptors = next((folder for folder in ("/proc/self/fd", "/dev/fd") if os.path.isdir(folder)), None)


class Loading:
    """One admitted load: the names that it may import, and for a file the descriptor that must be loaded from.

    Used as a context manager around the original loader. On leaving, a file that changed meanwhile is refused.
    `passed` holds the names that were judged already, and whether they open the quarantine scope. With `keep` it can
    be used again, and closes the file in the end.

    Args:
        admission: What the gate decided.
        label: The artifact's name, for messages.
        descriptor: The judged open file, or ``None`` for bytes in memory.
        owned: The descriptor is closed on leaving.
    """

    def __init__(self, admission: Admission, label: str, descriptor: int | None = None, *, owned: bool = False) -> None:
        self.admission = admission
        self.label = label
        self.descriptor = descriptor
        self.passed: dict[tuple[str, str], bool] = {}
        self.breach: BaseException | None = None
        self.keep = False
        self._owned = owned
        self._scopes: list[Loading | None] = []  # one load may be entered again while it runs
        bound = descriptor is not None and (admission.digest or not admission.anything)
        self._stamp = _stamp(descriptor) if bound else None  # type: ignore[arg-type] # bound says that it is there

    @property
    def path(self) -> str:
        """A path that opens the judged file again, whatever its name points to now.

        Raises:
            LoadRefused: This system has no such path.
        """
        return path_of(self.descriptor, self.label)

    def opens_itself(self, path: object, flags: object) -> bool:
        """Say whether the judged file is opened again as it is, such as for a memory map that can be written."""
        return path == f"{_descriptors}/{self.descriptor}" and isinstance(flags, int) and not flags & os.O_TRUNC

    def __enter__(self) -> Self:
        """Restrict this thread's unpicklers to the names of the admission."""
        import weighlock.runtime._quarantine  # noqa: F401 - it judges what happens from now on

        self._scopes.append(scope())
        stack().append(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Lift the restriction and check that the file is still the judged one."""
        stack().remove(self)
        set_scope(self._scopes.pop())
        try:
            if self.breach is not None and kind is None:
                raise self.breach  # someone caught it, and went on
            if self._has_changed():
                _gate.refuse(self.label, "the file was changed while it was being loaded")
        finally:
            if not self.keep:
                self._close()

    def __del__(self) -> None:
        """Close what was kept open."""
        if self.keep:
            self._close()

    def _close(self) -> None:
        if self._owned and self.descriptor is not None:
            os.close(self.descriptor)
            self._owned = False

    def _has_changed(self) -> bool:
        if self._stamp is None or self.descriptor is None:
            return False
        stamp = _stamp(self.descriptor)
        if stamp == self._stamp:
            return False
        # A new name, an old one removed or other permissions change the last time alone, and not the bytes.
        if self.admission.digest is None:
            return stamp[:2] != self._stamp[:2]
        return stamp[:2] != self._stamp[:2] or not _gate.gate().has_digest(self.descriptor, self.admission.digest)


def stack() -> list[Loading]:
    """Return this thread's loads in progress, the innermost last."""
    try:
        return _thread.stack  # type: ignore[no-any-return]
    except AttributeError:
        _thread.stack = []
        return _thread.stack  # type: ignore[no-any-return]


def scope() -> Loading | None:
    """Return the load that this thread's quarantine scope was opened for, or ``None`` where none is open."""
    return getattr(_thread, "scope", None)


def set_scope(loading: Loading | None) -> None:
    """Open this thread's quarantine scope for a load, or close it."""
    _thread.scope = loading


def is_loading(descriptor: int) -> bool:
    """Say whether an open file is the one that this thread's innermost load was admitted for."""
    loads = stack()
    return bool(loads) and loads[-1].descriptor is not None and os.path.sameopenfile(descriptor, loads[-1].descriptor)


def path_of(descriptor: int | None, label: str) -> str:
    """Return a path that opens an open file again, whatever its name points to now.

    Raises:
        LoadRefused: This system has no such path.
    """
    if not _descriptors:
        _gate.refuse(label, "this system cannot open the judged file again, and its name may point to another file")
    return f"{_descriptors}/{descriptor}"


def can_open_again() -> bool:
    """Say whether this system has a path that opens a judged file again."""
    return _descriptors is not None


def require_same_file(loading: Loading, path: str | os.PathLike[str]) -> None:
    """Check that a name still leads to the judged file, for a loader that insists on opening it by name.

    Raises:
        LoadRefused: It leads to another file.
    """
    if loading.descriptor is None or not os.path.samestat(os.stat(path), os.fstat(loading.descriptor)):
        _gate.refuse(loading.label, "its name led to another file while it was being loaded")


def _stamp(descriptor: int) -> tuple[int, ...]:
    status = os.fstat(descriptor)
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
