"""Guards `torch.load`.

## Covers

- `torch.load` with a path, a file object at any offset, or bytes in memory; ``mmap=True``; every value of
  ``weights_only``; a ``pickle_module`` of one's own; ``.safetensors`` files where torch takes them; references
  such as ``from torch import load`` that were bound before the guard started.
- The file is opened once, judged, and loaded from that same open file. A file object that is not a plain file of
  the standard library is read into memory, judged there and loaded from there.
- What an admitted file unpickles may import the admitted names only, and a file that changes while it is loaded
  is refused.
- A checkpoint whose lock entry names safetensors files that hold the same tensors is served from these, if they lie
  beside it: by path and from a plain open file, with every ``map_location``. Nothing of it is unpickled then. A twin
  that has other bytes is refused, and one that is missing leaves the checkpoint to torch.
- The caches that `torch.compile` keeps on disk are pickles of classes, in a folder that outlives the program. They
  are switched off, unless the environment asks for them; then what they hold is refused like any other pickle.

## Does not cover

- TorchScript in a file is compiled by `torch.jit.load`, to which `torch.load` hands such files on: the hook of that
  judges it once more. Packages, exported programs, `torch.hub` and distributed checkpoints have hooks of their own.
- A writable shared mapping of the file, held by another process of the same user, can change its bytes unnoticed.
- A checkpoint in memory, one that is loaded with an unpickler of one's own or with options for the unpickler, and
  ``mmap=True`` with shared mappings are not served from a twin but unpickled, after they were judged.
- Functions that torch calls while loading, such as a ``map_location`` of one's own, are the program's own code.
- Storages of ``mmap=True`` name the open file as their ``filename``, not the path that was given.
- On Windows ``mmap=True`` is refused, since the judged file cannot be opened again there.
"""

from __future__ import annotations

import io
import os
import sys
from functools import partial

from weighlock.runtime import _admit, _files, _gate, _loads, _pending
from weighlock.runtime._patch import missing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, ModuleType
    from typing import Any

    from weighlock.runtime._patch import Patches

    Load = partial[Any]

_LOADER = "torch.load"

# torch.load looks these up when it is called: without them it no longer works as this hook assumes.
_CHOKE_POINTS = ("_open_file_like", "_load", "_legacy_load", "_open_zipfile_reader", "_is_zipfile")

_CACHES = ("TORCHINDUCTOR_AUTOGRAD_CACHE", "TORCHINDUCTOR_FX_GRAPH_CACHE")


def patch(module: ModuleType, patches: Patches) -> None:
    """Make every reference to `torch.load` judge first.

    Raises:
        LookupError: This torch has no such function, or one that works in another way.
    """
    for name in ("load", *_CHOKE_POINTS):
        if not hasattr(module, name):
            raise missing(module, name)
    for variable in _CACHES:
        patches.default(variable, "0")
    loader = _Loader(".safetensors" in module.load.__code__.co_consts)
    loader.original = patches.swap_code(module.load, loader)


class _Loader:
    """What `torch.load` became.

    Args:
        dispatches: This torch hands ``.safetensors`` paths to safetensors, whose own hook judges them.
    """

    original: Callable[..., Any]

    def __init__(self, dispatches: bool) -> None:  # noqa: FBT001 - its only argument
        self._dispatches = dispatches

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if args:
            file, args = args[0], args[1:]
        elif "f" in kwargs:
            file = kwargs.pop("f")
        else:
            return self.original(*args, **kwargs)  # which says what is missing
        load = partial(self._call, args, kwargs)
        if not _gate.judging():
            return load(file)
        if isinstance(file, str | os.PathLike):
            return self._load_path(os.fspath(file), load)
        return _load_object(_files.unwrapped(file), load)

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any], file: Any) -> Any:
        return self.original(file, *args, **kwargs)

    def _load_path(self, path: str | bytes, load: Load) -> Any:
        if self._dispatches and isinstance(path, str) and path.endswith(".safetensors"):
            return load(path)
        with _admit.admit_path(path, _LOADER) as loading:
            served = _serve(loading, load, named=True)
            if served is not None:
                return served
            if os.name != "nt":
                return load(loading.path)
            with open(os.dup(loading.descriptor), "rb") as judged:  # type: ignore[arg-type] # it is a file
                return load(judged)


def _load_object(file: Any, load: Load) -> Any:
    if type(file) is io.BytesIO:
        offset, data = file.tell(), file.getvalue()
    elif (descriptor := _files.plain_descriptor(file)) is not None and os.name != "nt":
        return _load_open(file, descriptor, load)
    elif not hasattr(file, "read"):
        return load(file)  # not a file at all, and torch says so
    else:
        offset, data = 0, bytes(memoryview(file.read()))
        file = None
    return _load_memory(file, data, offset, load)


def _load_open(file: Any, descriptor: int, load: Load) -> Any:
    """Load from an open file, read anew: its buffer may hold bytes from before the file was judged."""
    offset = file.tell()
    with (
        _admit.admit_descriptor(descriptor, _files.label_of(file), _LOADER, offset) as loading,
        open(loading.path, "rb") as judged,
    ):
        judged.seek(offset)
        served = _serve(loading, load, named=False) if offset == 0 else None
        if served is not None:
            file.seek(0, os.SEEK_END)
            return served
        try:
            return load(judged)
        finally:
            file.seek(judged.tell())


def _serve(loading: _loads.Loading, load: Load, *, named: bool) -> Any:
    """Load a checkpoint from its safetensors twin, or return ``None`` where it has none."""
    if not loading.admission.models or os.name == "nt":
        return None
    from weighlock.runtime import _twins

    return _twins.serve(loading, *load.args, named=named)


def _load_memory(file: io.BytesIO | None, data: bytes, offset: int, load: Load) -> Any:
    """Load from a copy of the bytes, which nobody can change after they were judged."""
    judged = io.BytesIO(data)
    judged.seek(offset)
    with _admission_of(data[offset:] if offset else data):
        try:
            return load(judged)
        finally:
            if file is not None:
                file.seek(judged.tell())


def _admission_of(data: bytes) -> _loads.Loading:
    """Judge bytes in memory; those that an unpickler found in a pickle are judged as a part of that pickle."""
    label = "bytes in memory"
    frame = _caller_of_load()
    if _loads.stack() or frame is None or not _is_nested(frame):
        return _admit.admit_bytes(data, label, _LOADER)
    from weighlock.runtime._unpickling import is_message

    return _pending.part_of_a_pickle(label, message=is_message(frame.f_back))


def _caller_of_load() -> FrameType | None:
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - there is no public way to the caller's frame
    while frame is not None and frame.f_globals.get("__name__") in {__name__, "torch.serialization"}:
        frame = frame.f_back
    return frame


def _is_nested(frame: FrameType) -> bool:
    """Say whether torch's own function for storages inside pickles is running."""
    function = getattr(sys.modules.get("torch.storage"), "_load_from_bytes", None)
    return frame.f_code is getattr(function, "__code__", None)
