"""Guards `torch.export.load`.

## Covers

- `torch.export.load` and `torch.export.pt2_archive.load_pt2` of a path, a file object or bytes in memory, and so
  `torch._inductor.aoti_load_package`; references to them that were bound before the guard started. The file is opened
  once, judged, and loaded from that same open file, a copy of bytes in memory likewise.
- A program needs an approval (``torch.export:program``, or ``aoti:native-code``); the pickles inside the archive, such
  as its sample inputs, may import the admitted names only.

## Does not cover

- What an approved program does, and the operators that it calls.
- `torch._export.serde` called on JSON and bytes that the program read by itself: of these, pickles are judged as bytes
  in memory, expressions of sizes are not.
"""

from __future__ import annotations

import io
import os

from weighlock.runtime import _admit, _capabilities, _files, _gate, _loads
from weighlock.runtime._patch import missing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from weighlock.runtime._patch import Patches

_LOADER = "torch.export.load"

POINTS = {"torch.export": "load", "torch.export.pt2_archive._package": "load_pt2"}
"""Module -> function; the first since torch 2.1, the second since 2.8. A module that is there has its function."""


def patch(module: ModuleType, patches: Patches) -> None:
    """Make the module's loader judge first.

    Raises:
        LookupError: It has no such function.
    """
    name = POINTS[module.__name__]
    if not hasattr(module, name):
        raise missing(module, name)
    patches.answer(module, name, _load)


def _load(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    if args:
        file, args = args[0], args[1:]
    elif "f" in kwargs:
        file = kwargs.pop("f")
    else:
        return original(*args, **kwargs)  # which says what is missing
    if not _gate.judging():
        return original(file, *args, **kwargs)
    if isinstance(file, str | os.PathLike):
        with _admit.admit_path(file, _LOADER) as loading:
            return _load_judged(original, loading, args, kwargs)
    file = _files.unwrapped(file)
    descriptor = _files.plain_descriptor(file)
    if descriptor is not None and _loads.is_loading(descriptor):
        return original(file, *args, **kwargs)
    if descriptor is not None:
        if file.tell():
            _gate.refuse(_files.label_of(file), "an archive that does not begin where its file does is not judged")
        with _admit.admit_descriptor(descriptor, _files.label_of(file), _LOADER) as loading:
            return _load_judged(original, loading, args, kwargs)
    return _load_bytes(original, file, args, kwargs)


def _load_judged(original: Callable[..., Any], loading: _loads.Loading, args: Any, kwargs: Any) -> Any:
    """Load from the judged open file. As a file, not as a path: the loaders look at a path's suffix."""
    _require(loading)
    if os.name == "nt":
        file = open(os.dup(loading.descriptor), "rb")  # type: ignore[arg-type]  # noqa: SIM115 - closed below
        file.seek(0)
    else:
        file = open(loading.path, "rb")  # noqa: SIM115 - closed below
    with file:
        return original(file, *args, **kwargs)


def _load_bytes(original: Callable[..., Any], file: Any, args: Any, kwargs: Any) -> Any:
    """Load from a copy of the bytes, which nobody can change after they were judged."""
    data = bytes(memoryview(file.read()))
    with _admit.admit_bytes(data, _files.label_of(file, "bytes in memory"), _LOADER) as loading:
        _require(loading)
        return original(io.BytesIO(data), *args, **kwargs)


def _require(loading: _loads.Loading) -> None:
    if "aoti:native-code" not in loading.admission.approved:
        _capabilities.require_approved(loading, "torch.export:program", _LOADER)
