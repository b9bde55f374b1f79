"""Guards `joblib.load`.

## Covers

- `joblib.load` of a path or an open file, in every compression that joblib reads, and references to it that were
  bound before the guard started. The file is opened once, judged, and loaded from that same open file.
- Arrays that `joblib.Parallel` passes to its workers in temporary files are messages between processes: they need
  no lock entry, and may hold data only.

## Does not cover

- With ``mmap_mode``, joblib opens the file by its name once more, because the arrays keep that name. It is the
  judged file before and after the load, or the load is refused.
- Arrays in files of their own, as joblib before 0.10 wrote them: such a file cannot be loaded.
"""

from __future__ import annotations

import sys

from weighlock.runtime import _admit, _files
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
    for name in ("load", "load_temporary_memmap"):
        if not hasattr(module, name):
            raise missing(module, name)
    loader, receiver = _Loader(), _Receiver()
    loader.original = patches.swap_code(module.load, loader)
    receiver.original = patches.swap_code(module.load_temporary_memmap, receiver)


class _Loader:
    """What `joblib.load` became."""

    original: Callable[..., Any]

    def __call__(self, filename: Any, mmap_mode: str | None = None, **options: Any) -> Any:
        if not _admit.judging():
            return self.original(filename, mmap_mode, **options)
        if hasattr(filename, "read"):
            descriptor = _files.artifact_descriptor(filename)
            if descriptor is None:
                return self.original(filename, mmap_mode, **options)
            with _admit.admit_descriptor(descriptor, _files.label_of(filename), _LOADER):
                return self.original(filename, mmap_mode, **options)
        with _admit.admit_path(filename, _LOADER) as loading:
            if mmap_mode is None:
                return self.original(loading.path, **options)
            _admit.require_same_file(loading, filename)
            loaded = self.original(filename, mmap_mode, **options)
            _admit.require_same_file(loading, filename)
            return loaded


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
