"""The one door from the hooks to the engine.

Nothing of the engine is imported before the first guarded load. The policy and the lockfile are read once in a
process: a file that changes under a running program does not change what that program may load.
"""

from __future__ import annotations

import os
import stat
from _thread import RLock, _local

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn, Self

    from weighlock.gates.hub import Pin
    from weighlock.gates.lazy import LazyFile
    from weighlock.gates.load import Admission, LoadGate
    from weighlock.gates.recipe import Recipe
    from weighlock.lockfile import Lockfile

# Python itself keeps what it opens from children; bytes are bytes on Windows as well.
_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0)

_mutex = RLock()
_gate: LoadGate | None = None
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
                refuse(self.label, "the file was changed while it was being loaded")
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
        return stamp[:2] != self._stamp[:2] or not gate().has_digest(self.descriptor, self.admission.digest)


def admit_path(path: str | bytes | os.PathLike[str] | os.PathLike[bytes], loader: str) -> Loading:
    """Open a file once and judge it.

    Args:
        path: Any name that `open` takes.
        loader: Who loads it, such as ``torch.load``.

    Raises:
        LoadRefused: It may not be loaded.
        OSError: It cannot be opened.
    """
    name = os.fspath(path)
    descriptor = os.open(name, _READ)
    try:
        return _admit_open(descriptor, os.fsdecode(name), loader, 0, owned=True)
    except BaseException:
        os.close(descriptor)
        raise


def admit_descriptor(descriptor: int, label: str, loader: str, offset: int = 0) -> Loading:
    """Judge an open file; the descriptor stays the caller's.

    Args:
        descriptor: A regular file.
        label: Its name, for messages.
        loader: Who loads it.
        offset: Where the load begins.

    Raises:
        LoadRefused: It may not be loaded.
    """
    return _admit_open(descriptor, label, loader, offset, owned=False)


def find_twin(loading: Loading, *, named: bool) -> tuple[Recipe, list[Loading]] | None:
    """Find what an admitted checkpoint is served from, see `weighlock.gates.served.find`.

    Raises:
        LoadRefused: It is there, but is not what is locked.
    """
    from weighlock.gates import served

    return served.find(gate(), loading, admit_path, named=named)


def admit_bytes(data: bytes | memoryview, label: str, loader: str) -> Loading:
    """Judge bytes in memory.

    Raises:
        LoadRefused: They may not be loaded.
    """
    loads = stack()
    if loads and not gate().knows_bytes(data):
        # Bytes that an admitted artifact unpacked are part of it: they may import what it may, and no more.
        return Loading(loads[-1].admission, label)
    return Loading(gate().admit_bytes(data, label, loader), label)


def admission(*, anything: bool) -> Admission:
    """Return the admission of what is no artifact: to everything, or to names that do no harm."""
    from weighlock.gates.load import Admission

    return Admission(anything=anything)


def file_of_a_message(path: str) -> Loading:
    """Admit a file that a message between processes refers to, if it holds only data."""
    descriptor = os.open(path, _READ)
    try:
        return Loading(gate().inspect(descriptor), path, descriptor, owned=True)
    except BaseException:
        os.close(descriptor)
        raise


def _admit_open(descriptor: int, label: str, loader: str, offset: int, *, owned: bool) -> Loading:
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(21, "Is a directory", label)
        refuse(label, "it is not a regular file, so what was judged could not be loaded again")
    if seals():
        return _admit_sealed(descriptor, label, loader, offset, owned=owned)
    return Loading(gate().admit_file(descriptor, label, loader, offset), label, descriptor, owned=owned)


def _admit_sealed(descriptor: int, label: str, loader: str, offset: int, *, owned: bool) -> Loading:
    """Judge a sealed copy of a file, which then takes its place."""
    from weighlock.runtime._sealed import sealed_copy

    copy = sealed_copy(descriptor, label)
    try:
        loading = Loading(gate().admit_file(copy, label, loader, offset), label, copy, owned=True)
    except BaseException:
        os.close(copy)
        raise
    if owned:
        os.close(descriptor)
    return loading


def open_lazily(path: str | bytes | os.PathLike[str] | os.PathLike[bytes], loader: str) -> LazyFile | None:
    """Admit a file by its header, where the policy says ``verify = "lazy"``, see `weighlock.gates.lazy.open_lazily`.

    Raises:
        LoadRefused: It may not be loaded.
        OSError: It cannot be opened.
    """
    if gate().policy.verify != "lazy":
        return None
    from weighlock.gates import lazy

    name = os.fspath(path)
    descriptor = os.open(name, _READ)
    try:
        return lazy.open_lazily(gate(), descriptor, os.fsdecode(name), loader)
    finally:
        os.close(descriptor)


def external_files(model: int | bytes, label: str) -> tuple[list[str], list[str]]:
    """Return what `weighlock.gates.onnx.external_files` tells of a model that was admitted.

    Raises:
        LoadRefused: It cannot be told.
    """
    from weighlock.errors import FormatError, OverBudgetError, UnsupportedError
    from weighlock.gates import onnx

    try:
        return onnx.external_files(model)
    except (FormatError, OverBudgetError, UnsupportedError) as error:
        refuse(label, f"which files it reads cannot be told: {error.message}")


def pin(kind: str, repo: str, revision: str | None) -> Pin | None:
    """Decide about a request for a repository of a Hub, see `weighlock.gates.hub.pin`.

    Raises:
        LoadRefused: The repository, or that revision of it, is not locked.
    """
    from weighlock.gates import hub

    return hub.pin(gate(), kind, repo, revision)


def find_pin(kind: str, repo: str, revision: str | None) -> Pin | None:
    """Return the locked repository, or ``None`` where it or that revision of it is not locked."""
    from weighlock.gates import hub

    return hub.find_pin(gate(), kind, repo, revision)


def refuse_unlocked(label: str, why: str) -> None:
    """Refuse what no lockfile can list, unless the policy leaves it to the load gate.

    Raises:
        LoadRefused: It is refused.
    """
    from weighlock.gates import hub

    hub.refuse_unlocked(gate(), label, why)


def path_of(descriptor: int | None, label: str) -> str:
    """Return a path that opens an open file again, whatever its name points to now.

    Raises:
        LoadRefused: This system has no such path.
    """
    if not _descriptors:
        refuse(label, "this system cannot open the judged file again, and its name may point to another file")
    return f"{_descriptors}/{descriptor}"


def can_open_again() -> bool:
    """Say whether this system has a path that opens a judged file again."""
    return _descriptors is not None


def is_loading(descriptor: int) -> bool:
    """Say whether an open file is the one that this thread's innermost load was admitted for."""
    loads = stack()
    return bool(loads) and loads[-1].descriptor is not None and os.path.sameopenfile(descriptor, loads[-1].descriptor)


def archives_in(descriptor: int) -> frozenset[tuple[int, int]] | None:
    """Return where the archives of a judged row begin and end, see `weighlock.gates.rows.archives_in`."""
    from weighlock.gates import rows

    return rows.archives_in(descriptor)


def require_same_file(loading: Loading, path: str | os.PathLike[str]) -> None:
    """Check that a name still leads to the judged file, for a loader that insists on opening it by name.

    Raises:
        LoadRefused: It leads to another file.
    """
    if loading.descriptor is None or not os.path.samestat(os.stat(path), os.fstat(loading.descriptor)):
        refuse(loading.label, "its name led to another file while it was being loaded")


def refuse(label: str, why: str, remedy: str | None = None) -> NoReturn:
    """Refuse a load for a reason that no mode can overlook.

    Raises:
        LoadRefused: Always.
    """
    from weighlock.errors import LoadRefused
    from weighlock.gates.refusal import refusal

    raise LoadRefused(refusal(label, "the load", None, [("guard", why)], remedy))


def lockfile() -> Lockfile | None:
    """Return the lockfile of this process, or ``None`` where there is none and the policy allows that."""
    return gate().lockfile


def seals() -> bool:
    """Say whether loads are judged and made from sealed copies."""
    return judging() and gate().policy.verify == "sealed"


def judging() -> bool:
    """Say whether loads are judged: the mode is ``enforce`` or ``warn``."""
    return gate().mode != "off"


def records_saves() -> bool:
    """Say whether what this program saves is recorded; where no load can be judged, nothing is."""
    from weighlock.errors import LoadRefused

    try:
        return gate().records_saves
    except LoadRefused:
        return False


def record_save(size: int, sha256: str) -> None:
    """Record bytes that a save function of this program serialised."""
    gate().record_save(size, sha256)


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


def require_lockfile() -> None:
    """Read the policy now, because no lockfile was found where one is looked for first.

    Raises:
        WeighlockError: There is no lockfile, and the policy does not do without one.
    """
    _open()


def gate() -> LoadGate:
    """Return the gate of this process, opened on first use.

    Raises:
        LoadRefused: The policy or the lockfile cannot be read, so nothing may be loaded.
    """
    if _gate is not None:
        return _gate
    from weighlock.errors import LoadRefused, WeighlockError

    try:
        return _open()
    except WeighlockError as error:
        hint = f"\nhint: {error.hint}" if error.hint else ""
        raise LoadRefused(f"weighlock cannot judge any load: {error}{hint}", exit_code=2) from error


def forget() -> None:
    """Drop the gate, so that a guard that is installed again reads policy and lockfile again."""
    global _gate  # noqa: PLW0603 - one gate in a process
    _gate = None


def _open() -> LoadGate:
    global _gate  # noqa: PLW0603 - one gate in a process
    from weighlock.gates.load import open_gate

    with _mutex:
        if _gate is None:
            _gate = open_gate(os.environ)
        return _gate


def _stamp(descriptor: int) -> tuple[int, ...]:
    status = os.fstat(descriptor)
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _reset_after_fork() -> None:
    """Give a forked child a lock of its own: another thread of the parent may have held the old one."""
    global _mutex  # noqa: PLW0603 - see the docstring
    _mutex = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)
