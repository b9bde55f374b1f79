"""Guards `onnx.load` and files with external data.

## Covers

- `onnx.load` and `onnx.load_model` of a path or an open file, and `onnx.load_model_from_string`, in every format that
  onnx reads. The file is opened once, judged, and loaded from that same open file.
- Every file with external data, whoever asks for it: `onnx.load_external_data_for_model`,
  `onnx.external_data_helper.load_external_data_for_tensor`, `onnx.numpy_helper.to_array` and model containers. Such a
  file is an artifact of its own, and needs a lock entry like any other.

## Does not cover

- `onnx.load_tensor` reads numbers and nothing else, and is not guarded.
- In formats other than Protocol Buffers, operators are not judged; their external data are, when they are read.
- Functions of onnx in C++ that take a path, such as `onnx.checker.check_model` and
  `onnx.shape_inference.infer_shapes_path`, read a model and return none, or write one that has to be loaded.
"""

from __future__ import annotations

import io
import os

from weighlock.runtime import _admit, _files, _gate, _loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from weighlock.runtime._patch import Patches

_LOADER = "onnx.load"
_EXTERNAL = "external data of onnx"
_IN_MEMORY = "bytes in memory, as model.onnx"  # the name lets the inspector read it as a model in any case


def patch(module: ModuleType, patches: Patches) -> None:
    """Make every reference to the functions that load models, or open external data, judge first.

    Raises:
        LookupError: This onnx has no such functions.
    """
    if module.__name__ == "onnx":
        patches.answer(module, "load_model", _Loader(module))
        patches.answer(module, "load_model_from_string", _load_string)
    elif hasattr(module, "_open_external_data_fd"):
        patches.answer(module, "_open_external_data_fd", _open_external)
    else:
        patches.answer(module, "load_external_data_for_tensor", _load_external)


class _Loader:
    """What `onnx.load_model` became.

    Args:
        module: `onnx`.
    """

    def __init__(self, module: ModuleType) -> None:
        self._module = module

    def __call__(
        self,
        original: Callable[..., Any],
        f: Any,
        format: str | None = None,  # noqa: A002 - onnx's own word
        load_external_data: bool = True,  # noqa: FBT001, FBT002 - as in onnx
    ) -> Any:
        if not _gate.judging():
            return original(f, format, load_external_data)
        if hasattr(f, "read"):
            data, folder = f.read(), getattr(f, "name", None)
            label = _files.label_of(f, _IN_MEMORY)
            with _admit.admit_bytes(data, label, _LOADER):
                model = original(io.BytesIO(data), format, load_external_data=False)
        else:
            folder = os.fspath(f)
            format = format or self._format(folder)  # noqa: A001 - onnx's own word
            with _admit.admit_path(f, _LOADER) as loading, open(loading.path, "rb") as judged:
                model = original(judged, format, load_external_data=False)
        if load_external_data and isinstance(folder, str | bytes):
            self._module.load_external_data_for_model(model, os.path.dirname(os.fsdecode(folder)))
        return model

    def _format(self, path: str | bytes) -> str | None:
        """Return the format that onnx tells from the name of a file."""
        serialization = getattr(self._module, "serialization", None)
        if serialization is None:
            return None
        extension = os.path.splitext(os.fsdecode(path))[1]
        found: str | None = serialization.registry.get_format_from_file_extension(extension)
        return found


def _load_string(original: Callable[..., Any], s: Any, *args: Any, **options: Any) -> Any:
    if not _gate.judging():
        return original(s, *args, **options)
    data = s if isinstance(s, str) else bytes(s)
    with _admit.admit_bytes(data.encode() if isinstance(data, str) else data, _IN_MEMORY, _LOADER):
        return original(data, *args, **options)


def _open_external(
    original: Callable[..., int], base_dir: str, location: str, tensor_name: str, *read_only: bool
) -> int:
    """Judge the file that onnx opened, under all of its own rules."""
    descriptor = original(base_dir, location, tensor_name, *read_only)
    if not all(read_only) or not _gate.judging():
        return descriptor
    try:
        with _admit.admit_descriptor(descriptor, os.path.join(base_dir, location), _EXTERNAL) as loading:
            if loading.descriptor is not None and loading.descriptor != descriptor:
                os.dup2(loading.descriptor, descriptor, inheritable=False)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _load_external(original: Callable[..., Any], tensor: Any, base_dir: str) -> Any:
    """Judge the file that an older onnx is about to open by its name."""
    location = next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
    if not _gate.judging():
        return original(tensor, base_dir)
    path = os.path.join(base_dir, location)
    with _admit.admit_path(path, _EXTERNAL) as loading:
        _loads.require_same_file(loading, path)
        loaded = original(tensor, base_dir)
        _loads.require_same_file(loading, path)
        return loaded
