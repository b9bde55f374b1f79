"""Guards `joblib.load`.

## Covers

- `joblib.load` of a path or an open file, in every compression that joblib reads, and references to it that were
  bound before the guard started. The file is opened once, judged, and loaded from that same open file.

## Does not cover

- With ``mmap_mode``, joblib opens the file by its name once more, because the arrays keep that name. It is the
  judged file before and after the load, or the load is refused.
- Arrays in files of their own, as joblib before 0.10 wrote them: such a file cannot be loaded.
"""

from __future__ import annotations

from weighlock.runtime import _admit, _files

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
    if not hasattr(module, "load"):
        raise LookupError("joblib.numpy_pickle.load does not exist, and the guard needs it")
    loader = _Loader()
    loader.original = patches.swap_code(module.load, loader)


class _Loader:
    """What `joblib.load` became."""

    original: Callable[..., Any]

    def __call__(self, filename: Any, mmap_mode: str | None = None, **options: Any) -> Any:  # noqa: ANN401
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
