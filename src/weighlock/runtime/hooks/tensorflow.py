"""Guards SavedModels of TensorFlow.

## Covers

- `tf.saved_model.load` with the loaders of TensorFlow 1 and 2, `keras.layers.TFSMLayer`, and references that were bound
  before the guard started. Every file of the model (``saved_model.pb``, the variables, the assets) is opened once and
  judged. TensorFlow reads in C++ and by name, so it gets a private folder of links to the judged open files.
- SavedModels that are not in one binary file (``saved_model.pbtxt``, ``saved_model.cpb``) are refused.

## Does not cover

- Checkpoints by themselves (`tf.train.Checkpoint`, `tf.train.load_checkpoint`): tensors, which run nothing.
- Graphs that a program reads and imports itself (`tf.graph_util.import_graph_def`), `tf.raw_ops`, data sets of files.
- `tf.load_op_library`, `tf.load_library` and delegates: native code that the program asks for.
- The op ``ReadFile`` and its like in a model that somebody approved, and what they read when the model is used.
- The names of a model's assets lead into the private folder, which lasts until the program ends.
- On Windows SavedModels are refused, since the judged files cannot be opened again there.
"""

from __future__ import annotations

import os

from weighlock.runtime import _gate
from weighlock.runtime._mirror import Mirror

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from weighlock.runtime._patch import Patches

_LOADER = "tf.saved_model.load"
_MODEL = "saved_model.pb"
_UNREAD = ("saved_model.cpb", "saved_model.pbtxt")
_FOLDERS = ("assets", "assets.extra", "debug", "variables")
_FILES = ("fingerprint.pb", "keras_metadata.pb")

# The first field of every SavedModel that TensorFlow writes, and the tag of the second one.
_HEAD = b"\x08\x01\x12"


def patch(module: ModuleType, patches: Patches) -> None:
    """Make every way to load a SavedModel judge first.

    Raises:
        LookupError: This TensorFlow has no such functions.
    """
    if module.__name__.endswith("loader_impl"):
        patches.answer(module.SavedModelLoader, "__init__", _init)
    else:
        patches.answer(module, "load_partial", _load_partial)


def _load_partial(original: Callable[..., Any], export_dir: Any, *args: Any, **kwargs: Any) -> Any:
    """Stand in for `load_partial`, to which `tf.saved_model.load` comes."""
    if not _is_judged(export_dir):
        return original(export_dir, *args, **kwargs)
    folder = os.fsdecode(export_dir)
    with Mirror(_LOADER, lasting=os.path.isdir(os.path.join(folder, _FOLDERS[0]))) as mirror:
        _fill(mirror, folder)
        return original(mirror.folder, *args, **kwargs)


def _init(original: Callable[..., Any], self: Any, export_dir: Any) -> None:
    """Stand in for the constructor of `SavedModelLoader`, which reads the graph now and the variables later."""
    if not _is_judged(export_dir):
        original(self, export_dir)
        return
    with Mirror(_LOADER, lasting=True) as mirror:
        _fill(mirror, os.fsdecode(export_dir))
        original(self, mirror.folder)


def _is_judged(export_dir: Any) -> bool:
    """Say whether there is something to judge; what does not exist is TensorFlow's to say."""
    if not _gate.judging():
        return False
    folder = os.fsdecode(export_dir)
    for name in _UNREAD:
        if os.path.lexists(os.path.join(folder, name)):
            _gate.refuse(os.path.join(folder, name), "only SavedModels in one binary file can be judged")
    if "://" in folder:
        _gate.refuse(folder, "a model on another machine cannot be judged", "download the folder, and lock it")
    return os.path.lexists(os.path.join(folder, _MODEL))


def _fill(mirror: Mirror, folder: str) -> None:
    """Judge the files of a model; the graph comes last, so that its names decide."""
    for name in _FOLDERS:
        if os.path.isdir(os.path.join(folder, name)):
            mirror.add_folder(os.path.join(folder, name), name)
    for name in _FILES:
        if os.path.lexists(os.path.join(folder, name)):
            mirror.add(os.path.join(folder, name), name)
    model = mirror.add(os.path.join(folder, _MODEL), _MODEL)
    if os.pread(model.descriptor, len(_HEAD), 0) != _HEAD:  # type: ignore[arg-type] # it is a file
        _gate.refuse(model.label, "it does not begin as a SavedModel that TensorFlow wrote")
