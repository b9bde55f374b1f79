"""Guards Keras 3 with every backend: models and weights in ``.keras`` archives and folders, and in HDF5 files.

## Covers

- `keras.saving.load_model` (also as `keras.models.load_model`), `keras.saving.load_weights` and `Model.load_weights`
  with ``.keras`` archives, folders, ``.h5`` files, ``.weights.h5`` and sharded ``.weights.json`` files, open files and
  `h5py.File` objects, ``hf://`` repositories, and references that were bound before the guard started. Each file is
  opened once, judged, and loaded from that same open file.
- The safe mode: ``safe_mode=False`` and `keras.config.enable_unsafe_deserialization` have an effect only on files for
  which somebody approved ``keras:Lambda``, ``keras:TFSMLayer``, ``keras:TorchModuleWrapper`` or a ``keras:file`` by
  name. For all others Keras loads in safe mode, whatever the program or the configuration says.
- Marshalled code of a file that nobody approved ``keras:Lambda`` for, however Keras gets to it; pickles in a
  ``TorchModuleWrapper``, which may import what was approved for the file.
- Orbax checkpoints are refused: what is in them cannot be judged.

## Does not cover

- What a program reads as text itself and passes to `model_from_json` or `from_config`; Keras' own safe mode stands
  in between.
- `h5py` by itself, and `keras.saving.KerasFileEditor`: both read data, and run nothing.
- Keras 2: the package `tf_keras` has a hook of its own; as the package ``keras``, from 2.13 on, its import is refused.
- Custom classes: what an approved class does with its configuration is its own code.
- With ``verify = "sealed"``, weights in HDF5 files of their own cannot be loaded: HDF5 asks for the name of the file,
  and a sealed copy has none. Models load.
- Where memory is short, Keras unpacks the weights of an archive into a temporary file of its own.
- On Windows files are refused, since the judged file cannot be opened again there.
"""

from __future__ import annotations

import io
import os
import sys

from weighlock.runtime import _admit, _files, _gate, _loads
from weighlock.runtime._mirror import Mirror
from weighlock.runtime._patch import missing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from weighlock.runtime._patch import Patches

_MODEL = "keras.load_model"
_WEIGHTS = "keras.load_weights"

_CONFIG = "config.json"
_PARTS = (_CONFIG, "metadata.json", "model.weights.h5", "model.weights.npz")
_ASSETS = "assets"

_UNSAFE = frozenset({"keras:Lambda", "keras:TFSMLayer", "keras:TorchModuleWrapper"})
_FILE = "keras:file "
_LARGEST_MAP = 64 << 20


def patch(module: ModuleType, patches: Patches) -> None:
    """Make every way to load a model or its weights judge first.

    Raises:
        LookupError: This Keras has no such functions, or they work in another way.
    """
    for name, guard in _GUARDS[module.__name__.rpartition(".")[2]].items():
        optional = name in _NEWER
        if not hasattr(module, name):
            if optional:
                continue
            raise missing(module, name)
        patches.answer(module, name, guard)


def _load_fileobj(original: Callable[..., Any], fileobj: Any, *args: Any, **kwargs: Any) -> Any:
    """Stand in for `_load_model_from_fileobj`, to which every archive comes."""
    if not _gate.judging():
        return original(fileobj, *args, **kwargs)
    file = _files.unwrapped(fileobj)
    descriptor = _files.plain_descriptor(file)
    label = _files.label_of(file, "bytes in memory")
    if descriptor is None or os.name == "nt":
        file.seek(0)
        data = bytes(file.read())
        with _admit.admit_bytes(data, label, _MODEL) as loading, _Safety(loading):
            return original(io.BytesIO(data), *args, **kwargs)
    with (
        _admit.admit_descriptor(descriptor, label, _MODEL) as loading,
        _Safety(loading),
        # Read anew, since a buffer may hold bytes from before the file was judged; Keras unpacks beside its name.
        open(label, "rb", opener=lambda *_: os.open(loading.path, os.O_RDONLY)) as judged,
    ):
        return original(judged, *args, **kwargs)


def _load_folder(original: Callable[..., Any], dirpath: Any, *args: Any, **kwargs: Any) -> Any:
    """Stand in for `_load_model_from_dir`: the files that Keras reads from a folder, the configuration last."""
    if not _gate.judging():
        return original(dirpath, *args, **kwargs)
    folder = os.fspath(dirpath)
    with Mirror(_MODEL) as mirror:
        if os.path.isdir(os.path.join(folder, _ASSETS)):
            mirror.add_folder(os.path.join(folder, _ASSETS), _ASSETS)
        loading = None
        for name in reversed(_PARTS):
            if os.path.lexists(os.path.join(folder, name)):
                loading = mirror.add(os.path.join(folder, name), name)
        with _Safety(loading):
            return original(mirror.folder, *args, **kwargs)


def _load_h5(original: Callable[..., Any], filepath: Any, *args: Any, **kwargs: Any) -> Any:
    """Stand in for `load_model_from_hdf5`, which takes a path or an open file of h5py."""
    if not _gate.judging():
        return original(filepath, *args, **kwargs)
    if isinstance(filepath, str | os.PathLike):
        with _admit.admit_path(filepath, _MODEL) as loading, _Safety(loading):
            _require_hdf5(loading)
            if os.path.exists(os.path.realpath(loading.path)):
                return original(loading.path, *args, **kwargs)
            # A sealed copy has no name, and HDF5 does not open what has none.
            with open(loading.path, "rb") as file, sys.modules["h5py"].File(file, "r") as judged:
                return original(judged, *args, **kwargs)
    h5py = sys.modules["h5py"]
    if not isinstance(filepath, h5py.File):
        return original(filepath, *args, **kwargs)  # which says what it takes
    filepath.flush()
    data = bytes(filepath.id.get_file_image())
    with (
        _admit.admit_bytes(data, str(filepath.filename), _MODEL) as loading,
        _Safety(loading),
        h5py.File(io.BytesIO(data), "r") as judged,
    ):
        return original(judged, *args, **kwargs)


def _require_hdf5(loading: _loads.Loading) -> None:
    """Refuse a file whose superblock stands behind other bytes, by which it could be taken for something else."""
    head = os.pread(loading.descriptor, 4, 0)  # type: ignore[arg-type] # it is a file
    if head != b"\x89HDF":
        _gate.refuse(loading.label, "it does not begin as an HDF5 file, and Keras would search it for one")


def _load_weights_only(original: Callable[..., Any], model: Any, filepath: Any, *args: Any, **kwargs: Any) -> Any:
    """Stand in for `load_weights_only`, which goes by the end of the name."""
    return _with_weights(original, model, filepath, args, kwargs)


def _load_weights(original: Callable[..., Any], model: Any, filepath: Any, *args: Any, **kwargs: Any) -> Any:
    """Stand in for `load_weights`, which opens old HDF5 files itself and leaves the rest to `load_weights_only`."""
    name = str(filepath)
    if os.path.isdir(name) and _gate.judging():
        _refuse_orbax(original, name)
    if name.endswith((".h5", ".hdf5")) and not name.endswith(".weights.h5"):
        return _with_weights(original, model, filepath, args, kwargs)
    return original(model, filepath, *args, **kwargs)


def _with_weights(
    original: Callable[..., Any], model: Any, filepath: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    path = str(filepath)
    if not _gate.judging() or not os.path.isfile(path):
        return original(model, filepath, *args, **kwargs)
    name = os.path.basename(path)
    with Mirror(_WEIGHTS) as mirror:
        loading = mirror.add(path, name)
        if name.endswith(".json"):
            for shard in _shards(loading):
                mirror.add(os.path.join(os.path.dirname(path), shard), shard)
        return original(model, os.path.join(mirror.folder, name), *args, **kwargs)


def _shards(loading: _loads.Loading) -> set[str]:
    """Return the names of the files among which the weights are divided."""
    import json

    data = os.pread(loading.descriptor, _LARGEST_MAP, 0)  # type: ignore[arg-type] # it is a file
    found = json.loads(data).get("weight_map", {}).values()
    names = {name for value in found for name in (value if isinstance(value, list) else [value])}
    for name in names:
        if not isinstance(name, str) or os.path.basename(name) != name:
            _gate.refuse(loading.label, f"it leads to a file in another folder: {name}")
    return names


def _refuse_orbax(original: Callable[..., Any], filepath: Any, *args: Any, **kwargs: Any) -> Any:
    """Stand in for what loads a folder of Orbax."""
    if _gate.judging():
        _gate.refuse(
            str(filepath),
            "a checkpoint of Orbax cannot be judged",
            "save the model as a .keras file, and lock that",
        )
    return original(filepath, *args, **kwargs)


def _func_load(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Stand in for `func_load`, which makes functions of marshalled code."""
    loads = _loads.stack()
    if loads and _gate.judging() and not _approves(loads[-1], frozenset({"keras:Lambda"})):
        _gate.refuse(
            loads[-1].label,
            "it holds Python code, a Lambda, which nobody approved",
            _gate.gate().approval(loads[-1].label),
        )
    return original(*args, **kwargs)


def _approves(loading: _loads.Loading, names: frozenset[str]) -> bool:
    admission = loading.admission
    return admission.anything or bool(names & admission.approved)


class _Safety:
    """Holds Keras in safe mode while it loads a file, unless what that mode forbids was approved for the file.

    Args:
        loading: The file; ``None`` where there is none that could be approved.
    """

    def __init__(self, loading: _loads.Loading | None) -> None:
        library = sys.modules["keras.src.saving.serialization_lib"]
        asked = loading is not None and (
            _approves(loading, _UNSAFE) or any(name.startswith(_FILE) for name in loading.admission.approved)
        )
        self._scope = None if asked else library.SafeModeScope(True)  # noqa: FBT003 - its only argument

    def __enter__(self) -> None:
        if self._scope is not None:
            self._scope.__enter__()

    def __exit__(self, *error: object) -> None:
        if self._scope is not None:
            self._scope.__exit__(*error)


_GUARDS: dict[str, dict[str, Callable[..., Any]]] = {
    "saving_lib": {
        "_load_model_from_fileobj": _load_fileobj,
        "_load_model_from_dir": _load_folder,
        "load_weights_only": _load_weights_only,
    },
    "saving_api": {"load_weights": _load_weights, "_load_model_from_orbax_checkpoint": _refuse_orbax},
    "legacy_h5_format": {"load_model_from_hdf5": _load_h5},
    "python_utils": {"func_load": _func_load},
}

# Releases before them had nothing that could be loaded so.
_NEWER = frozenset({"_load_model_from_dir", "_load_model_from_orbax_checkpoint"})
