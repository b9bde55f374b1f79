"""Guards `gguf.GGUFReader`.

## Covers

- `gguf.GGUFReader` of a path or an open file, which is also how transformers reads GGUF files. The file is opened
  once, judged, and mapped from that same open file.

## Does not cover

- llama.cpp and its bindings, such as llama-cpp-python, open files in C++: lock the file, and verify it with
  ``weighlock verify`` before the program starts.
- Tensors are mapped: a change of the file after it was judged shows in them, unless the policy says
  ``verify = "sealed"``. They name the open file as their ``filename``.
"""

from __future__ import annotations

from weighlock.runtime import _admit, _files, _gate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from weighlock.runtime._patch import Patches

_LOADER = "gguf.GGUFReader"


def patch(module: ModuleType, patches: Patches) -> None:
    """Make every reader judge first.

    Raises:
        LookupError: This gguf has no such class, or one that works in another way.
    """
    patches.answer(module.GGUFReader, "__init__", _read)


def _read(original: Callable[..., None], self: Any, path: Any, *args: Any, **options: Any) -> None:
    if not _gate.judging():
        original(self, path, *args, **options)
    elif hasattr(path, "read"):
        label = _files.label_of(path)
        descriptor = _files.plain_descriptor(path)
        if descriptor is None:
            _gate.refuse(label, "it is not a plain file, so what was judged could not be mapped")
        with _admit.admit_descriptor(descriptor, label, _LOADER) as loading:
            original(self, loading.path, *args, **options)
    else:
        with _admit.admit_path(path, _LOADER) as loading:
            original(self, loading.path, *args, **options)
