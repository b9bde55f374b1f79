"""Records what `pickle.dump` serialises into a file of its own, so that the same project may load it again.

## Covers

- `pickle.dump` to an open plain file, from its beginning, and references to it that were bound before
  the guard started.

## Does not cover

- A file that holds more than that one pickle, and files that are written through gzip, bz2, lzma or a reader of another
  library: they need the lockfile.
- `pickle.Pickler`, `pickle.dumps`, dill, cloudpickle and shelve.
"""

from __future__ import annotations

from weighlock.runtime import _files, _gate, _saving, _unpicklers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from weighlock.runtime._patch import Patches


def patch(module: ModuleType, patches: Patches) -> None:
    """Replace `dump`.

    Raises:
        LookupError: The module has no such name.
    """
    original = getattr(module, "dump", None)
    guarded = _unpicklers.Function(original, _dump) if callable(original) else None
    patches.replace(module, "dump", guarded)
    patches.rebind(original, guarded)


def _dump(original: Callable[..., Any], obj: Any, file: Any, *args: Any, **options: Any) -> Any:
    if options.get("buffer_callback") is not None or not _begins(file) or not _gate.records_saves():
        return original(obj, file, *args, **options)
    return _saving.into_file(file, lambda followed: original(obj, followed, *args, **options))


def _begins(file: Any) -> bool:
    """Say whether a plain file is about to be written from its beginning."""
    try:
        return _files.written_descriptor(file) is not None and file.tell() == 0
    except (OSError, ValueError):
        return False
