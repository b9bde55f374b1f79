"""Guards Keras 2 as the package ``tf_keras``, which is also `tf.keras` where ``TF_USE_LEGACY_KERAS`` is set.

## Covers

- `load_model` and `Model.load_weights` with ``.keras`` archives, HDF5 files of whatever name, open files of h5py and
  folders with SavedModels, and references that were bound before the guard started. Each file is opened once, judged,
  and loaded from that same open file. Keras 2 has no safe mode for HDF5 files: their Lambdas need an approval.
- What Keras copies from other file systems (``gs://``, ``file://``) is judged as that copy; a SavedModel there is
  refused.

## Does not cover

- What a program reads as text itself and passes to `model_from_json` or `from_config`.
- Weights in checkpoints of TensorFlow, which run nothing.
- Code in a SavedModel: a Lambda in one is refused also where it was approved. It loads from an HDF5 file or an archive.
- Keras before 2.13, and Keras 2 as the package ``keras``: from 2.13 on its import is refused.
- On Windows files are refused, since the judged file cannot be opened again there.
"""

from __future__ import annotations

import io
import os
import sys

from weighlock.runtime import _admit, _gate
from weighlock.runtime._mirror import Mirror

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from weighlock.runtime._patch import Patches

_MODEL = "tf_keras.load_model"
_WEIGHTS = "tf_keras.load_weights"
_HDF5 = b"\x89HDF\r\n\x1a\n"


def patch(module: ModuleType, patches: Patches) -> None:
    """Make every way to load a model or its weights judge first.

    Raises:
        LookupError: This Keras has no such functions, or they work in another way.
    """
    patches.answer(module, "load_model", _load_model)
    archives = module.__name__.endswith(".saving_lib")
    patches.answer(module, "load_weights_only" if archives else "load_weights", _load_weights)


def _load_model(original: Callable[..., Any], filepath: Any, *args: Any, **kwargs: Any) -> Any:
    """Stand in for both functions `load_model`: that for archives, and that for HDF5 files and SavedModels."""
    if not _gate.judging():
        return original(filepath, *args, **kwargs)
    if not isinstance(filepath, str | os.PathLike):
        return _load_open(original, filepath, args, kwargs)
    path = os.fspath(filepath)
    if "://" in path:
        _gate.refuse(path, "only a file of this machine can be judged", "download it, and load it by its path")
    if os.path.isdir(path):
        with Mirror(_MODEL, lasting=True) as mirror:
            mirror.add_folder(path)
            return original(mirror.folder, *args, **kwargs)
    name = os.path.basename(path)
    with Mirror(_MODEL) as mirror:
        loading = mirror.add(path, name)
        if not name.endswith(".keras"):
            _require_hdf5(os.pread(loading.descriptor, len(_HDF5), 0), path)  # type: ignore[arg-type] # it is a file
        return original(os.path.join(mirror.folder, name), *args, **kwargs)


def _load_open(original: Callable[..., Any], file: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Load from a copy of what h5py has opened."""
    h5py = sys.modules.get("h5py")
    if h5py is None or not isinstance(file, h5py.File):
        return original(file, *args, **kwargs)  # which says what it takes
    file.flush()
    data, label = bytes(file.id.get_file_image()), str(file.filename)
    _require_hdf5(data, label)
    with _admit.admit_bytes(data, label, _MODEL), h5py.File(io.BytesIO(data), "r") as judged:
        return original(judged, *args, **kwargs)


def _require_hdf5(data: bytes, label: str) -> None:
    """Refuse a file whose superblock stands behind other bytes, by which it could be taken for something else."""
    if not data.startswith(_HDF5):
        _gate.refuse(label, "it does not begin as an HDF5 file, and Keras would search it for one")


def _load_weights(original: Callable[..., Any], model: Any, filepath: Any, *args: Any, **kwargs: Any) -> Any:
    """Stand in for `load_weights_only` of archives, and for `load_weights` of all other files."""
    path = os.fspath(filepath) if isinstance(filepath, str | os.PathLike) else ""
    if not _gate.judging() or not os.path.isfile(path):
        return original(model, filepath, *args, **kwargs)
    name = os.path.basename(path)
    with Mirror(_WEIGHTS) as mirror:
        mirror.add(path, name)
        return original(model, os.path.join(mirror.folder, name), *args, **kwargs)
