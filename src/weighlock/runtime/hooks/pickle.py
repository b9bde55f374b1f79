"""Guards the pickle module where a real file is being read.

## Covers

- `pickle.load` of an open file, plain or through gzip, bz2, lzma or a zip member, and so `numpy.load` with
  ``allow_pickle=True``, `pandas.read_pickle`, `cloudpickle.load` and everything else that calls it.
- The pure Python unpickler, and so joblib's and the one that pandas falls back to.
- The file's digest is settled against the lockfile; what it unpickles may import the admitted names only.
- Pickles in memory, read by `pickle.loads` or by `pickle.load` of something that is no file: names that do no harm
  pass, other names of plain data after an inspection of the whole pickle.
- Every other unpickler (`pickle.Unpickler`, dill, shelve) is held to names that do no harm however they are used, by
  an audit hook, also where their references were bound before the guard started.

## Does not cover

- Approvals, arrays and tensors in files that are read through `pickle.Unpickler`, dill or shelve: the guard sees their
  names, not their file, and so refuses all but plain Python. `pickle.load` of the same file works.
- The lockfile, for files that reach `pickle.load` through a reader of another library (a tar or zip member that
  pandas unpacked, a memory map, LZ4): they count as memory, so that plain data passes without an entry.
- An unpickler of someone's own that imports names by itself, in a ``find_class`` that does not call the original.
- Subinterpreters: an audit hook written in Python sees its own interpreter only.
- Temporary files without a name, which count as memory.
- `marshal`, which can hold code objects but runs nothing by itself.
"""

from __future__ import annotations

import sys

from weighlock.runtime import _admit, _files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from weighlock.runtime._patch import Patches

_LOADER = "pickle.load"


def patch(module: ModuleType, patches: Patches) -> None:
    """Replace `load`, and that of the pure Python unpickler.

    Raises:
        LookupError: The module has no such name.
    """
    original = getattr(module, "load", None)
    guarded = _guarded_load(original) if callable(original) else None
    patches.replace(module, "load", guarded)
    patches.rebind(original, guarded)  # in _pickle, and in modules that imported it before the guard started
    loads = module.loads
    guarded_loads = _guarded_loads(loads)
    patches.replace(module, "loads", guarded_loads)
    patches.rebind(loads, guarded_loads)
    unpickler = module._Unpickler  # noqa: SLF001 - the documented name of the pure Python unpickler
    patches.replace(unpickler, "load", _guarded_method(unpickler.load))


def _guarded_load(original: Callable[..., Any]) -> Callable[..., Any]:
    def load(file: Any, **options: Any) -> Any:
        with admission_of(file) or _in_memory(file):
            return original(file, **options)

    load.__doc__ = original.__doc__
    return load


def _guarded_method(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def load(self: Any) -> Any:
        file = getattr(getattr(self, "_file_read", None), "__self__", None)
        with admission_of(file) or _in_memory(file):
            return original(self)

    load.__doc__ = original.__doc__
    return load


def _guarded_loads(original: Callable[..., Any]) -> Callable[..., Any]:
    def loads(data: Any, /, **options: Any) -> Any:
        with _admit.Pending(lambda: bytes(memoryview(data))):
            return original(data, **options)

    loads.__doc__ = original.__doc__
    return loads


def _in_memory(file: Any) -> _admit.Pending:
    """Return what knows the bytes that a load from `file` reads, as far as it can go back in it."""
    try:
        start = file.tell()
    except (AttributeError, OSError, ValueError):
        start = None

    def read() -> bytes:
        if start is None:
            return b""  # what cannot be read again holds no data that could be vouched for
        here = file.tell()
        file.seek(start)
        try:
            return bytes(file.read())
        finally:
            file.seek(here)

    return _admit.Pending(read)


def admission_of(file: Any) -> _admit.Loading | None:
    """Judge the real file that is behind a file object; ``None`` where there is none, or it is judged already.

    Raises:
        LoadRefused: The file may not be loaded.
    """
    descriptor = _files.artifact_descriptor(file)
    if descriptor is None or _files.is_nameless(descriptor) or not _admit.judging() or _admit.is_loading(descriptor):
        return None
    from weighlock.runtime._unpickling import is_message

    if is_message(sys._getframe(1)):  # noqa: SLF001 - there is no public way to the caller's frame
        return None
    return _admit.admit_descriptor(descriptor, _files.label_of(file), _LOADER)
