"""One reading of a pickle by one of Python's unpicklers: the file that it comes from is admitted first.

1. A real file, also one behind a decompressor, is settled against the lockfile like any artifact.
2. A message between processes is no artifact.
3. Everything else, and what came with the interpreter, is memory: it is inspected as a whole where its names alone do
   not settle it.
"""

from __future__ import annotations

import os
import sys

from weighlock.runtime import _admit, _files, _finder, _gate, _loads, _pending

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from weighlock.gates.admission import Admission

_LOADER = "pickle.load"
_MOST_ROWS = 64

_Stamp = tuple[int, ...]

_rows: dict[_Stamp, tuple[int, Admission]] = {}
"""Where the last pickle stopped that was read from an inspected file, and what that file was admitted to."""


def read(file: Any, call: Callable[[Any], Any], *, bound: bool = False) -> Any:
    """Let an unpickler read one pickle.

    Args:
        file: What it reads from; ``None`` where that is not known.
        call: Makes it read from a file.
        bound: It reads from `file` whatever it is told.

    Raises:
        LoadRefused: The file may not be loaded, or what it asks for may not be imported.
    """
    if not _finder.is_judging():
        return call(file)
    scope = _loads.scope()
    try:
        descriptor = _artifact(file)
        if descriptor is None:
            with in_memory(file):
                return call(file)
        if _gate.seals():
            return _read_sealed(file, descriptor, call, bound=bound)
        return _read_file(file, descriptor, call)
    finally:
        _loads.set_scope(scope)


def read_bytes(data: Any, call: Callable[[], Any]) -> Any:
    """Let an unpickler read a pickle from memory."""
    if not _finder.is_judging():
        return call()
    scope = _loads.scope()
    try:
        with _pending.Pending(lambda: bytes(memoryview(data))):
            return call()
    finally:
        _loads.set_scope(scope)


def in_memory(file: Any) -> _pending.Pending:
    """Return what knows the bytes that a load from `file` reads, as far as it can go back in it."""
    try:
        start = file.tell()
    except (AttributeError, OSError, ValueError):
        start = None

    def rest() -> bytes:
        if start is None:
            return b""  # what cannot be read again holds no data that could be vouched for
        here = file.tell()
        file.seek(start)
        try:
            return bytes(file.read())
        finally:
            file.seek(here)

    return _pending.Pending(rest)


def _artifact(file: Any) -> int | None:
    """Return the descriptor of the real file behind a file object, unless it is judged already or a message."""
    descriptor = _files.artifact_descriptor(file)
    if descriptor is None or _files.is_nameless(descriptor) or not _gate.judging() or _loads.is_loading(descriptor):
        return None
    if _is_of_python(file, descriptor):
        return None
    from weighlock.runtime._unpickling import is_message

    return None if is_message(sys._getframe(1)) else descriptor  # noqa: SLF001 - there is no public way to the caller


def _is_of_python(file: Any, descriptor: int) -> bool:
    """Say whether a file came with the interpreter, as the grammars of lib2to3 did, which it unpickles when imported.

    Whoever can write there needs no pickle. Names in it are judged all the same, as those of memory are.
    """
    name = os.path.realpath(_files.label_of(file))
    folder = os.path.realpath(os.path.dirname(os.__file__)) + os.sep
    if not name.startswith(folder) or name.startswith((f"{folder}site-packages", f"{folder}dist-packages")):
        return False
    return os.path.samestat(os.stat(name), os.fstat(descriptor))


def _read_sealed(file: Any, descriptor: int, call: Callable[[Any], Any], *, bound: bool) -> Any:
    """Let it read from a sealed copy of the file, from where it stands on."""
    if bound or _files.plain_descriptor(file) is None:
        why = 'what it is read through cannot be pointed at a copy in memory, which verify = "sealed" asks for'
        _gate.refuse(_files.label_of(file), why, "load it with pickle.load of a file that open() gave")
    offset = file.tell()
    with (
        _admit.admit_descriptor(descriptor, _files.label_of(file), _LOADER, offset) as loading,
        open(loading.path, "rb") as judged,
    ):
        judged.seek(offset)
        result = call(judged)
        file.seek(judged.tell())
        return result


def _read_file(file: Any, descriptor: int, call: Callable[[Any], Any]) -> Any:
    plain = _files.plain_descriptor(file) is not None
    offset = file.tell() if plain else 0
    with _loading(descriptor, _files.label_of(file), offset) as loading:
        result = call(file)
        if plain and loading.admission.digest is None and not loading.admission.anything:
            _remember(descriptor, file.tell(), loading.admission)
        return result


def _loading(descriptor: int, label: str, offset: int) -> _loads.Loading:
    """Admit a file from an offset on.

    An inspection goes on to the end of the file. What it found holds for the pickles behind the first one as well,
    and a file with many of them would otherwise be inspected once for each.
    """
    end, admission = _rows.get(_stamp(descriptor), (0, None))
    if admission is not None and end == offset:
        return _loads.Loading(admission, label, descriptor)
    return _admit.admit_descriptor(descriptor, label, _LOADER, offset)


def _remember(descriptor: int, end: int, admission: Admission) -> None:
    if len(_rows) >= _MOST_ROWS:
        _rows.clear()
    _rows[_stamp(descriptor)] = (end, admission)


def _stamp(descriptor: int) -> _Stamp:
    status = os.fstat(descriptor)
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
