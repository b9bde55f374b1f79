"""Records what `joblib.dump` serialises, so that the same project may load it again.

## Covers

- `joblib.dump` to a path in every compression, and to an open file, and references to it that were bound before the
  guard started; so what `joblib.Memory` keeps.

## Does not cover

- Arrays that `joblib.Parallel` passes to its workers in temporary files: they are messages, which need no record.
"""

from __future__ import annotations

import os

from weighlock.runtime import _gate, _saving
from weighlock.runtime._patch import missing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from weighlock.runtime._patch import Patches


def patch(module: ModuleType, patches: Patches) -> None:
    """Follow what `joblib.dump` writes.

    Raises:
        LookupError: This joblib has no such function.
    """
    for name in ("dump", "_COMPRESSORS"):
        if not hasattr(module, name):
            raise missing(module, name)
    dumper = _Dumper(vars(module))
    dumper.original = patches.swap_code(module.dump, dumper)


class _Dumper:
    """What `joblib.dump` became.

    Args:
        namespace: Of joblib's module.
    """

    original: Callable[..., Any]

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace

    def __call__(self, value: Any, filename: Any, compress: Any = 0, protocol: int | None = None) -> Any:
        path = _saving.is_path(filename)
        if not (path or hasattr(filename, "write")) or not _gate.records_saves() or self._is_message():
            return self.original(value, filename, compress, protocol)
        if not path:
            return _saving.into_file(filename, lambda file: self.original(value, file, compress, protocol))
        name = os.fspath(filename)
        chosen = self._compress(name, compress)
        answer = _saving.into_path(name, lambda file: self.original(value, file, chosen, protocol))
        return answer or [name]

    @staticmethod
    def _is_message() -> bool:
        return _saving.caller("joblib.numpy_pickle") == "joblib._memmapping_reducer"

    def _compress(self, name: Any, compress: Any) -> Any:
        """Return the compression of a file by its name, which `joblib.dump` cannot know of an open file."""
        if isinstance(compress, str | tuple):
            return compress
        found = [method for method, kind in self._namespace["_COMPRESSORS"].items() if name.endswith(kind.extension)]
        if not found:
            return compress
        return found[-1], None if compress is True or not compress else compress
