"""Guards safetensors in every framework.

## Covers

- `safetensors.safe_open`, `load_file` and `load` for torch, numpy, TensorFlow, JAX, Paddle and MLX,
  `safetensors.deserialize` and the handle that newer versions take: all of them go through the Rust extension,
  whose names are replaced right after it was executed.
- The file is opened once, judged, and handed on as that same open file.
- With ``verify = "lazy"`` in the policy, the chunks of a locked file that hold its header are verified when it is
  opened, and those that hold a tensor before that tensor is handed out. With ``verify = "sealed"``, a copy in memory
  that nobody can change is judged and loaded.

## Does not cover

- A file that is rewritten in place after its tensors were handed out: a memory map shows the new bytes, unless the
  policy says ``verify = "sealed"``. Its names are data all the same, nothing is executed.
- Readers of the format that are not the safetensors package.
- On Windows files are refused, since the judged file cannot be opened again there.
"""

from __future__ import annotations

import os

from weighlock.runtime import _admit, _files, _gate, _loads, _sweep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any, Self

    from weighlock.gates.lazy import LazyFile
    from weighlock.runtime._patch import Patches

_OPEN = "safetensors.safe_open"
_LOAD = "safetensors.load"


def patch(module: ModuleType, patches: Patches) -> None:
    """Replace what the extension offers for reading, before the package binds it.

    Raises:
        LookupError: The extension has no such names.
    """
    guards = {"safe_open": _guarded_type, "deserialize": _guarded_deserialize}
    if hasattr(module, "_safe_open_handle"):  # since 0.6.2
        guards["_safe_open_handle"] = _guarded_handle
    originals = {name: getattr(module, name, None) for name in guards}
    found = [original for original in originals.values() if original is not None]
    places = () if _sweep.is_being_imported(module) else _sweep.places(*found)
    for name, guard in guards.items():
        original = originals[name]
        guarded = guard(original) if original is not None else None
        patches.replace(module, name, guarded)
        patches.sweep(places, original, guarded)


def _guarded_type(original: Any) -> Any:
    class Guarded(type):
        """Makes `safe_open(…)` judge first, and keeps ``isinstance`` and attributes of the type as they were."""

        def __call__(cls, filename: Any, *args: Any, **kwargs: Any) -> Any:
            if not _gate.judging() or not isinstance(filename, str | os.PathLike):
                return original(filename, *args, **kwargs)
            lazy = _admit.open_lazily(filename, _OPEN)
            if lazy is not None:
                return _LazyHandle.opened(original, lazy, args, kwargs)
            with _admit.admit_path(filename, _OPEN) as loading:
                return original(loading.path, *args, **kwargs)

        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, (original, _LazyHandle))

        def __getattr__(cls, name: str) -> Any:
            return getattr(original, name)

    namespace = {"__doc__": original.__doc__, "__module__": original.__module__, "__slots__": ()}
    return Guarded("safe_open", (), namespace)


class _LazyHandle:
    """What `safe_open` gives for a file whose tensors are verified when they are read.

    Args:
        handle: The library's own, of the same open file.
        file: Verifies.
    """

    def __init__(self, handle: Any, file: LazyFile) -> None:
        self._handle = handle
        self._file = file

    @classmethod
    def opened(cls, original: Any, file: LazyFile, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Self:
        """Open the judged file with the library."""
        try:
            handle = original(_loads.path_of(file.descriptor, file.label), *args, **kwargs)
            file.require_unchanged()  # the library has read the header by now
        except BaseException:
            file.close()
            raise
        return cls(handle, file)

    def keys(self) -> Any:
        return self._handle.keys()

    def offset_keys(self) -> Any:
        return self._handle.offset_keys()

    def metadata(self) -> Any:
        return self._handle.metadata()

    def get_tensor(self, name: str) -> Any:
        return self._verified(name, lambda: self._handle.get_tensor(name))

    def get_slice(self, name: str) -> Any:
        """Return what reads parts of a tensor, all of which is verified now."""
        return self._verified(name, lambda: self._handle.get_slice(name))

    def __enter__(self) -> Self:
        self._handle.__enter__()
        return self

    def __exit__(self, *error: object) -> Any:
        self._file.close()
        return self._handle.__exit__(*error)

    def __del__(self) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        # Whatever a version of the library has beyond that may read any tensor.
        found = getattr(self._handle, name)
        if not callable(found):
            return found
        return lambda *args, **kwargs: self._verified(None, lambda: found(*args, **kwargs))

    def _verified(self, name: str | None, read: Callable[[], Any]) -> Any:
        self._file.verify(name)
        result = read()
        self._file.require_unchanged()
        return result


def _guarded_deserialize(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def deserialize(*args: Any, **kwargs: Any) -> Any:
        data = args[0] if args else kwargs.get("bytes")
        if data is None or not _gate.judging():
            return original(*args, **kwargs)
        if type(data) is not bytes:
            data = memoryview(data).tobytes()  # a copy that nobody can change after it was judged
        with _admit.admit_bytes(data, "bytes in memory", _LOAD):
            return original(data)

    return deserialize


def _guarded_handle(original: Callable[..., Any]) -> Callable[..., Any]:
    def _safe_open_handle(file: Any, *args: Any, **kwargs: Any) -> Any:
        if not _gate.judging():
            return original(file, *args, **kwargs)
        descriptor = _files.plain_descriptor(file)
        if descriptor is None:
            _gate.refuse(_files.label_of(file), "only a plain open file can be judged and then loaded")
        with (
            _admit.admit_descriptor(descriptor, _files.label_of(file), _OPEN) as loading,
            open(loading.path, "rb") as judged,
        ):
            return original(judged, *args, **kwargs)

    return _safe_open_handle
