"""Guards safetensors in every framework.

## Covers

- `safetensors.safe_open`, `load_file` and `load` for torch, numpy, TensorFlow, JAX, Paddle and MLX,
  `safetensors.deserialize` and the handle that newer versions take: all of them go through the Rust extension,
  whose names are replaced right after it was executed.
- The file is opened once, judged, and handed on as that same open file.

## Does not cover

- A file that is rewritten in place while tensors are still read from it lazily: a memory map shows the new bytes.
  Its names are data all the same, nothing is executed.
- Readers of the format that are not the safetensors package.
- On Windows files are refused, since the judged file cannot be opened again there.
"""

from __future__ import annotations

import os

from weighlock.runtime import _admit, _files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from weighlock.runtime._patch import Patches

_OPEN = "safetensors.safe_open"
_LOAD = "safetensors.load"


def patch(module: ModuleType, patches: Patches) -> None:
    """Replace what the extension offers for reading, before the package binds it.

    Raises:
        LookupError: The extension has no such names.
    """
    for name, guard in (("safe_open", _guarded_type), ("deserialize", _guarded_deserialize)):
        _replace(module, patches, name, guard)
    if hasattr(module, "_safe_open_handle"):  # since 0.6.2
        _replace(module, patches, "_safe_open_handle", _guarded_handle)


def _replace(module: ModuleType, patches: Patches, name: str, guard: Callable[[Any], Any]) -> None:
    original = getattr(module, name, None)
    guarded = guard(original) if original is not None else None
    patches.replace(module, name, guarded)
    patches.rebind(original, guarded)


def _guarded_type(original: Any) -> Any:
    class Guarded(type):
        """Makes `safe_open(…)` judge first, and keeps ``isinstance`` and attributes of the type as they were."""

        def __call__(cls, filename: Any, *args: Any, **kwargs: Any) -> Any:
            if not _admit.judging() or not isinstance(filename, str | os.PathLike):
                return original(filename, *args, **kwargs)
            with _admit.admit_path(filename, _OPEN) as loading:
                return original(loading.path, *args, **kwargs)

        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, original)

        def __getattr__(cls, name: str) -> Any:
            return getattr(original, name)

    namespace = {"__doc__": original.__doc__, "__module__": original.__module__, "__slots__": ()}
    return Guarded("safe_open", (), namespace)


def _guarded_deserialize(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def deserialize(*args: Any, **kwargs: Any) -> Any:
        data = args[0] if args else kwargs.get("bytes")
        if data is None or not _admit.judging():
            return original(*args, **kwargs)
        if type(data) is not bytes:
            data = memoryview(data).tobytes()  # a copy that nobody can change after it was judged
        with _admit.admit_bytes(data, "bytes in memory", _LOAD):
            return original(data)

    return deserialize


def _guarded_handle(original: Callable[..., Any]) -> Callable[..., Any]:
    def _safe_open_handle(file: Any, *args: Any, **kwargs: Any) -> Any:
        if not _admit.judging():
            return original(file, *args, **kwargs)
        descriptor = _files.plain_descriptor(file)
        if descriptor is None:
            _admit.refuse(_files.label_of(file), "only a plain open file can be judged and then loaded")
        with (
            _admit.admit_descriptor(descriptor, _files.label_of(file), _OPEN) as loading,
            open(loading.path, "rb") as judged,
        ):
            return original(judged, *args, **kwargs)

    return _safe_open_handle
