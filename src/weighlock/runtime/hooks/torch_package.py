"""Guards `torch.package`.

## Covers

- `PackageImporter` of a path, a file object or bytes in memory, and references to it that were bound before the guard
  started. The file is opened once, judged, and read from that same open file.
- Each module of the package that is imported needs the approval of its own name, ``torch.package:code MODULE``; each
  name that its pickles ask for, one as in any other pickle.
- A package that was changed since it was judged is refused when more of it is imported or unpickled.

## Does not cover

- Packages that were unpacked into a folder, and readers that the program opened by itself: they are refused.
- What an approved module does, and resources of a package that the program reads as bytes or text.
- On Windows files are read into memory, since the judged file cannot be opened again there.
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

_LOADER = "torch.package"
_KEPT = "_weighlock_loading"

POINTS = ("__init__", "load_pickle", "_compile_source")
"""Methods of `PackageImporter` in every torch since 2.0."""


def patch(module: ModuleType, patches: Patches) -> None:
    """Make the importer of packages judge first.

    Raises:
        LookupError: It has no such method.
    """
    for name in ("PackageImporter", "PackageUnpickler"):
        if not hasattr(module, name):
            raise missing(module, name)
    for name, guard in zip(POINTS, (_open, _load_pickle, _compile_source), strict=True):
        patches.answer(module.PackageImporter, name, guard)
    unpickler = module.PackageUnpickler
    patches.answer(unpickler, "find_class", _find_class)


def _open(original: Callable[..., Any], self: Any, file: Any, *args: Any, **kwargs: Any) -> None:
    if not _gate.judging():
        return original(self, file, *args, **kwargs)  # type: ignore[no-any-return]
    if isinstance(file, str | os.PathLike) and os.name != "nt":
        loading = _admit.admit_path(file, _LOADER)
        loading.keep = True  # the rest is read, and checked again, when a module is imported
        setattr(self, _KEPT, loading)
        with loading:
            original(self, loading.path, *args, **kwargs)
        self.filename = os.fspath(file)
        return None
    if isinstance(file, str | os.PathLike):
        with open(file, "rb") as opened:
            data = opened.read()
    elif hasattr(file, "read"):
        data = bytes(memoryview(file.read()))
    else:
        _gate.refuse(_files.label_of(file, "a package"), "a reader that is open already cannot be judged")
    loading = _admit.admit_bytes(data, _files.label_of(file, "a package in memory"), _LOADER)
    setattr(self, _KEPT, loading)
    with loading:
        return original(self, io.BytesIO(data), *args, **kwargs)  # type: ignore[no-any-return]


def _load_pickle(original: Callable[..., Any], self: Any, *args: Any, **kwargs: Any) -> Any:
    loading = _loading_of(self)
    if loading is None:
        return original(self, *args, **kwargs)
    with loading:
        return original(self, *args, **kwargs)


def _compile_source(original: Callable[..., Any], self: Any, path: str, *args: Any, **kwargs: Any) -> Any:
    loading = _loading_of(self)
    if loading is None:
        return original(self, path, *args, **kwargs)
    module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    _capabilities.require_approved(loading, f"torch.package:code {module}", _LOADER)
    with loading:
        return original(self, path, *args, **kwargs)


def _find_class(original: Callable[..., Any], self: Any, module: str, name: str) -> Any:
    # This unpickler imports by itself, out of the package, so that no audit event tells of it.
    if _gate.judging():
        from weighlock.runtime._unpickling import judge

        judge(module, name)
    return original(self, module, name)


def _loading_of(importer: Any) -> _loads.Loading | None:
    """Return the admission that the importer was opened with.

    Raises:
        LoadRefused: It was opened before the guard started.
    """
    loading: _loads.Loading | None = getattr(importer, _KEPT, None)
    if loading is None and _gate.judging():
        _gate.refuse(_files.label_of(importer, "a package"), "it was opened before the guard started")
    return loading
