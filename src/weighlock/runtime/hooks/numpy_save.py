"""Records what numpy saves to files, so that the same project may load it again.

## Covers

- `numpy.save` to a path or an open plain file, `numpy.savez` and `numpy.savez_compressed` to a path, and references to
  them that were bound before the guard started.
- `savez` writes back and forth, so it writes into a file without a name first, in the same folder, and what no one else
  can have changed is copied from there. Where there is no room for that, the file is saved as ever and not recorded.

## Does not cover

- `numpy.savez` to an open file, and everything that numpy saves into memory: it needs the lockfile.
- `numpy.ndarray.dump` and `tofile`, `numpy.memmap`, `numpy.lib.format.write_array`.
"""

from __future__ import annotations

import os
import sys

from weighlock.runtime import _files, _gate, _saving

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from weighlock.runtime._patch import Patches


def patch(module: ModuleType, patches: Patches) -> None:
    """Follow what numpy writes.

    Raises:
        LookupError: This numpy has no such functions.
    """
    owner = sys.modules.get("numpy.lib._npyio_impl", module)  # since numpy 2, which imports it first
    patches.answer(owner, "save", _save)
    patches.answer(owner, "savez", _savez)
    patches.answer(owner, "savez_compressed", _savez)


def _save(original: Any, file: Any, *args: Any, **kwargs: Any) -> Any:
    if not _gate.records_saves():
        return original(file, *args, **kwargs)
    if _saving.is_path(file):
        return _saving.into_path(_named(file, ".npy"), lambda target: original(target, *args, **kwargs))
    if _files.written_descriptor(file) is None:
        return original(file, *args, **kwargs)
    return _saving.into_file(file, lambda target: original(target, *args, **kwargs))


def _savez(original: Any, /, *args: Any, **kwargs: Any) -> Any:
    """Stand in for `savez`, whose arrays may have any names as keywords."""
    file = args[0] if args else kwargs.get("file")
    if _saving.is_path(file) and _gate.records_saves():
        rest = {name: value for name, value in kwargs.items() if args or name != "file"}
        spool = _spooled(_named(file, ".npz"), lambda target: original(target, *args[1:], **rest))
        if spool is not None:
            with spool:
                return _saving.into_path(_named(file, ".npz"), _saving.copying(spool))
    return original(*args, **kwargs)


def _named(file: Any, extension: str) -> Any:
    path = os.fspath(file)
    return path if path.endswith(extension) else path + extension


def _spooled(path: str, save: _saving.Save) -> Any:
    """Return an open file without a name to which `save` saved, or ``None`` where that cannot be made."""
    spool = _saving.spool(path)
    if spool is None:
        return None
    try:
        save(spool)
        spool.seek(0)
    except OSError:
        spool.close()
        return None
    except BaseException:
        spool.close()
        raise
    return spool
