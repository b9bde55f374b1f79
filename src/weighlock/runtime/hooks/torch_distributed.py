"""Guards distributed checkpoints of torch.

## Covers

- `torch.distributed.checkpoint.load` and everything else that reads through `FileSystemReader` or `FsspecReader`,
  such as `dcp_to_torch_save`: the ``.metadata`` and each ``.distcp`` file are opened once, judged, and read from that
  same open file. What fsspec reads from elsewhere is copied into a file without a name, and judged there.
- Of a file of tensors, only the archives that it was judged as can be read: a ``.metadata`` that points into the middle
  of one is refused.
- The reader of safetensors checkpoints, by the hook of safetensors.

## Does not cover

- Parts that were compressed or encoded by an extension: they are held to names that do no harm, so that tensors in them
  do not load unless a person accepted the file with ``--unsafe``.
- Storage readers of other libraries. What they give to `torch.load` is judged as any file or bytes in memory.
- torch before 2.3, and before 2.4 through fsspec, reads without the functions that are guarded here: its metadata are
  judged by `pickle.load`, and its tensors are bytes in memory, which no lockfile lists.
"""

from __future__ import annotations

import os
import sys

from weighlock.runtime import _admit, _gate, _loads
from weighlock.runtime._patch import missing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType
    from typing import Any

    from weighlock.runtime._patch import Patches

_LOADER = "torch.distributed.checkpoint"
_KNOWN = "archives"

POINTS = ("FileSystem.create_stream", "FileSystemReader._slice_file")
"""In torch since 2.3, for fsspec since 2.4; a later one without them fails to import."""


def patch(module: ModuleType, patches: Patches) -> None:
    """Make the streams of both modules judge first.

    Raises:
        LookupError: A class has lost the method that opens files, or that finds a tensor in them.
    """
    local = module.__name__.endswith(".filesystem")
    system = getattr(module, "FileSystem", None)
    if system is None:
        if _version() < ([2, 3] if local else [2, 4]):
            return
        raise missing(module, "FileSystem")
    patches.answer(system, "create_stream", _open_local if local else _open_elsewhere)
    if local:
        reader = getattr(module, "FileSystemReader", None)
        if reader is None:
            raise missing(module, "FileSystemReader")
        patches.answer(reader, "_slice_file", _slice)


def _version() -> list[int]:
    version = str(getattr(sys.modules.get("torch"), "__version__", "")).split(".")
    return [int(part) if part.isdigit() else 99 for part in version[:2]]


def _open_local(original: Callable[..., Any], self: Any, path: Any, mode: str) -> Iterator[Any]:
    if not _reads(mode) or not _gate.judging():
        yield from original(self, path, mode)
        return
    with _admit.admit_path(path, _LOADER) as loading, _opened(loading) as file:
        yield file


def _open_elsewhere(original: Callable[..., Any], self: Any, path: Any, mode: str) -> Iterator[Any]:
    if not _reads(mode) or not _gate.judging():
        yield from original(self, path, mode)
        return
    import shutil
    import tempfile
    from contextlib import contextmanager

    with tempfile.TemporaryFile(prefix="weighlock-") as copy:
        with contextmanager(original)(self, path, mode) as stream:
            shutil.copyfileobj(stream, copy)
        copy.seek(0)
        with _admit.admit_descriptor(copy.fileno(), os.fspath(path), _LOADER):
            yield copy


def _reads(mode: str) -> bool:
    return "r" in mode and "+" not in mode


def _opened(loading: _loads.Loading) -> Any:
    if os.name != "nt":
        return open(loading.path, "rb")
    file = open(os.dup(loading.descriptor), "rb")  # type: ignore[arg-type]  # noqa: SIM115 - the caller closes it
    file.seek(0)
    return file


def _slice(original: Callable[..., Any], self: Any, file: Any, info: Any) -> Any:
    if _gate.judging():
        _require_part(file, info.offset, info.length)
    return original(self, file, info)


def _require_part(file: Any, offset: int, length: int) -> None:
    """Check that a slice of a judged file is one of the archives that it was judged as."""
    loads = _loads.stack()
    if not loads or loads[-1].admission.anything:
        return
    loading = loads[-1]
    if _KNOWN not in vars(loading):
        setattr(loading, _KNOWN, _admit.archives_in(file.fileno()))
    archives = getattr(loading, _KNOWN)
    if archives is not None and (offset, offset + length) not in archives:
        _gate.refuse(loading.label, "the metadata name a part of it that is not one of its archives")
