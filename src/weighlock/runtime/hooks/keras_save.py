"""Records what Keras saves, so that the same project may load it again.

## Covers

- `Model.save` and `keras.saving.save_model` to ``.keras`` archives and HDF5 files, `Model.save_weights` to
  ``.weights.h5`` files, and so the callbacks `ModelCheckpoint` and `BackupAndRestore`.
- Keras and HDF5 write back and forth, so they write into a file without a name, or in a folder that only this user can
  enter, and what no other user can have changed is copied from there. Where that is not possible, the file is saved as
  ever and not recorded.

## Does not cover

- Folders (``zipped=False``), weights in several files (``max_shard_size``), other machines, `Model.export`, checkpoints
  of Orbax, `h5py` by itself: they need the lockfile.
"""

from __future__ import annotations

import os

from weighlock.runtime import _gate, _saving

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from weighlock.runtime._patch import Patches


def patch(module: ModuleType, patches: Patches) -> None:
    """Follow what Keras writes.

    Raises:
        LookupError: This Keras has no such functions.
    """
    if module.__name__.endswith("legacy_h5_format"):
        patches.answer(module, "save_model_to_hdf5", _save_hdf5)
    else:
        patches.answer(module, "_save_model_to_fileobj", _save_archive)
        patches.answer(module, "save_weights_only", _save_weights)


def _save_archive(original: Callable[..., Any], model: Any, fileobj: Any, *args: Any, **kwargs: Any) -> Any:
    """Stand in for `_save_model_to_fileobj`, which writes every archive."""
    nameless = os.name != "nt"  # there, a file that is open has a name under which others can write to it
    spool = _saving.spool(getattr(fileobj, "name", None)) if nameless and _gate.records_saves() else None
    if spool is None:
        return original(model, fileobj, *args, **kwargs)
    with spool:
        original(model, spool, *args, **kwargs)
        return _saving.into_file(fileobj, _saving.copying(spool))


def _save_weights(original: Callable[..., Any], model: Any, filepath: Any, *args: Any, **kwargs: Any) -> Any:
    """Stand in for `save_weights_only`; with a size for shards it writes several files."""
    in_shards = args or kwargs.get("max_shard_size") is not None
    return _save_path(original, model, filepath, args, kwargs, followed=not in_shards or args[:1] == (None,))


def _save_hdf5(original: Callable[..., Any], model: Any, filepath: Any, *args: Any, **kwargs: Any) -> Any:
    """Stand in for `save_model_to_hdf5`, which takes open files of h5py as well, and may ask before it overwrites."""
    overwrite = args[0] if args else kwargs.get("overwrite", True)
    return _save_path(original, model, filepath, args, kwargs, followed=bool(overwrite))


def _save_path(
    original: Callable[..., Any],
    model: Any,
    filepath: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    followed: bool,
) -> Any:
    local = followed and _saving.is_path(filepath) and "://" not in str(filepath)
    folder = _folder_beside(filepath) if local and _gate.records_saves() else None
    if folder is None:
        return original(model, filepath, *args, **kwargs)
    path = os.fspath(filepath)
    with folder:
        private = _own_folder(folder.name)
        if private is None:
            return original(model, filepath, *args, **kwargs)
        try:
            # HDF5 wants a name, and Keras goes by its end.
            original(model, os.path.join(folder.name, os.path.basename(path)), *args, **kwargs)
            spool = _opened_in(private, os.path.basename(path))
        finally:
            os.close(private)
        if spool is None:
            return original(model, filepath, *args, **kwargs)
        with spool:
            return _saving.into_path(path, _saving.copying(spool))


def _folder_beside(path: Any) -> Any:
    """Return a folder that only this user can enter, on the disk of a path, or ``None`` where that cannot be made."""
    from tempfile import TemporaryDirectory

    beside = os.path.dirname(path) or os.curdir
    try:
        os.makedirs(beside, exist_ok=True)  # as Keras does
        return TemporaryDirectory(prefix=".weighlock-", dir=beside, ignore_cleanup_errors=True)
    except OSError:
        return None


def _own_folder(path: str) -> int | None:
    """Open a folder that only this user can enter, or return ``None`` where that cannot be told.

    Whoever may write to the folder around it may exchange it by then, and at any time.
    """
    if os.name == "nt":
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    status = os.fstat(descriptor)
    if status.st_uid == os.geteuid() and not status.st_mode & 0o077:
        return descriptor
    os.close(descriptor)
    return None


def _opened_in(folder: int, name: str) -> Any:
    """Open a file in that very folder, whatever its name leads to by now, or return ``None`` where it is not there."""
    try:
        return open(os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder), "rb")
    except OSError:
        return None
