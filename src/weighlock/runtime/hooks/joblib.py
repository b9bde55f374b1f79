"""Guards `joblib.load`.

## Covers

- `joblib.load` of a path or an open file, in every compression that joblib reads, and references to it that were
  bound before the guard started. The file is opened once, judged, and loaded from that same open file.
- ``mmap_mode``: arrays are mapped from that same open file, too, and keep the name that was given as their
  ``filename``, by which joblib's workers find them.
- Arrays that `joblib.Parallel` passes to its workers in temporary files are messages between processes: they need
  no lock entry, and may hold data only.

## Does not cover

- A file that is rewritten in place while arrays are mapped from it: a memory map shows the new bytes. They are numbers
  all the same, nothing is executed. The same holds for a worker that opens a mapped file by its name.
- On systems that cannot open a judged file again, ``mmap_mode`` opens it by its name: it is the judged file before and
  after the load, or the load is refused.
- Arrays in files of their own, as joblib before 0.10 wrote them: such a file cannot be loaded.
"""

from __future__ import annotations

import os
import sys

from weighlock.runtime import _admit, _files, _gate, _loads
from weighlock.runtime._patch import missing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from weighlock.runtime._patch import Patches

_LOADER = "joblib.load"


def patch(module: ModuleType, patches: Patches) -> None:
    """Make every reference to `joblib.load` judge first.

    Raises:
        LookupError: This joblib has no such function.
    """
    for name in ("load", "load_temporary_memmap", "make_memmap"):
        if not hasattr(module, name):
            raise missing(module, name)
    patches.replace(module, "make_memmap", _guarded_map(module.make_memmap))
    loader, receiver = _Loader(), _Receiver()
    loader.original = patches.swap_code(module.load, loader)
    receiver.original = patches.swap_code(module.load_temporary_memmap, receiver)


class _Loader:
    """What `joblib.load` became."""

    original: Callable[..., Any]

    def __call__(self, filename: Any, mmap_mode: str | None = None, **options: Any) -> Any:
        if not _gate.judging():
            return self.original(filename, mmap_mode, **options)
        if hasattr(filename, "read"):
            descriptor = _files.artifact_descriptor(filename)
            if descriptor is None or _gate.seals():  # its unpickler has to answer for what it reads through
                return self.original(filename, mmap_mode, **options)
            with _admit.admit_descriptor(descriptor, _files.label_of(filename), _LOADER):
                return self.original(filename, mmap_mode, **options)
        with _admit.admit_path(filename, _LOADER) as loading:
            if mmap_mode is None or _loads.can_open_again():
                return self.original(loading.path, mmap_mode, **options)
            _loads.require_same_file(loading, filename)
            loaded = self.original(filename, mmap_mode, **options)
            _loads.require_same_file(loading, filename)
            return loaded


def _guarded_map(original: Callable[..., Any]) -> Callable[..., Any]:
    """Let arrays that are mapped from the judged file bear the name that the program knows it by."""

    def make_memmap(filename: Any, *args: Any, **kwargs: Any) -> Any:
        array = original(filename, *args, **kwargs)
        for loading in reversed(_loads.stack()):
            if _loads.can_open_again() and loading.descriptor is not None and filename == loading.path:
                array.filename = os.path.abspath(loading.label)
        return array

    return make_memmap


class _Receiver:
    """What `load_temporary_memmap` became, by which a message refers to a large array."""

    original: Callable[..., Any]

    def __call__(self, filename: str, *args: Any, **kwargs: Any) -> Any:
        from weighlock.runtime._unpickling import is_message

        caller = sys._getframe(1).f_back  # noqa: SLF001 - there is no public way to the caller's frame
        if not is_message(caller):
            return self.original(filename, *args, **kwargs)
        with _admit.file_of_a_message(filename):
            return self.original(filename, *args, **kwargs)
