"""The door from the hooks to the gate: an artifact goes in, and a `weighlock.runtime._loads.Loading` comes out.

The gates are imported inside the functions, because a program that loads nothing pays for none of them.
"""

from __future__ import annotations

import os
import stat

from weighlock.runtime import _gate, _loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from weighlock.gates.admission import Admission
    from weighlock.gates.lazy import LazyFile
    from weighlock.gates.recipe import Recipe

# Python itself keeps what it opens from children; bytes are bytes on Windows as well.
_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0)


def admit_path(path: str | bytes | os.PathLike[str] | os.PathLike[bytes], loader: str) -> _loads.Loading:
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


def admit_descriptor(descriptor: int, label: str, loader: str, offset: int = 0) -> _loads.Loading:
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


def admit_bytes(data: bytes | memoryview, label: str, loader: str) -> _loads.Loading:
    """Judge bytes in memory.

    Raises:
        LoadRefused: They may not be loaded.
    """
    loads = _loads.stack()
    if loads and not _gate.gate().knows_bytes(data):
        # Bytes that an admitted artifact unpacked are part of it: they may import what it may, and no more.
        return _loads.Loading(loads[-1].admission, label)
    return _loads.Loading(_gate.gate().admit_bytes(data, label, loader), label)


def admission(*, anything: bool) -> Admission:
    """Return the admission of what is no artifact: to everything, or to names that do no harm."""
    from weighlock.gates.admission import Admission

    return Admission(anything=anything)


def file_of_a_message(path: str) -> _loads.Loading:
    """Admit a file that a message between processes refers to, if it holds only data."""
    descriptor = os.open(path, _READ)
    try:
        return _loads.Loading(_gate.gate().inspect(descriptor), path, descriptor, owned=True)
    except BaseException:
        os.close(descriptor)
        raise


def open_lazily(path: str | bytes | os.PathLike[str] | os.PathLike[bytes], loader: str) -> LazyFile | None:
    """Admit a file by its header, where the policy says ``verify = "lazy"``, see `weighlock.gates.lazy.open_lazily`.

    Raises:
        LoadRefused: It may not be loaded.
        OSError: It cannot be opened.
    """
    if _gate.gate().policy.verify != "lazy":
        return None
    from weighlock.gates import lazy

    name = os.fspath(path)
    descriptor = os.open(name, _READ)
    try:
        return lazy.open_lazily(_gate.gate(), descriptor, os.fsdecode(name), loader)
    finally:
        os.close(descriptor)


def find_twin(loading: _loads.Loading, *, named: bool) -> tuple[Recipe, list[_loads.Loading]] | None:
    """Find what an admitted checkpoint is served from, see `weighlock.gates.served.find`.

    Raises:
        LoadRefused: It is there, but is not what is locked.
    """
    from weighlock.gates import served

    return served.find(_gate.gate(), loading, admit_path, named=named)


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
        _gate.refuse(label, f"which files it reads cannot be told: {error.message}")


def archives_in(descriptor: int) -> frozenset[tuple[int, int]] | None:
    """Return where the archives of a judged row begin and end, see `weighlock.gates.rows.archives_in`."""
    from weighlock.gates import rows

    return rows.archives_in(descriptor)


def _admit_open(descriptor: int, label: str, loader: str, offset: int, *, owned: bool) -> _loads.Loading:
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(21, "Is a directory", label)
        _gate.refuse(label, "it is not a regular file, so what was judged could not be loaded again")
    if _gate.seals():
        return _admit_sealed(descriptor, label, loader, offset, owned=owned)
    return _loads.Loading(_gate.gate().admit_file(descriptor, label, loader, offset), label, descriptor, owned=owned)


def _admit_sealed(descriptor: int, label: str, loader: str, offset: int, *, owned: bool) -> _loads.Loading:
    """Judge a sealed copy of a file, which then takes its place."""
    from weighlock.runtime._sealed import sealed_copy

    copy = sealed_copy(descriptor, label)
    try:
        loading = _loads.Loading(_gate.gate().admit_file(copy, label, loader, offset), label, copy, owned=True)
    except BaseException:
        os.close(copy)
        raise
    if owned:
        os.close(descriptor)
    return loading
