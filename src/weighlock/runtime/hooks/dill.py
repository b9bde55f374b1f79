"""Guards dill, whose unpickler answers some names by itself.

## Covers

- `dill.load`, `dill.loads` and `dill.Unpickler`: every name, also those that dill finds without asking Python's own
  unpickler, such as the names of the running program.

## Does not cover

- Approvals, arrays and tensors in files that are read through dill: the guard sees their names, not their file.
"""

from __future__ import annotations

from weighlock.runtime import _unpickling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from weighlock.runtime._patch import Patches


def patch(module: ModuleType, patches: Patches) -> None:
    """Judge each name before dill's unpickler looks it up.

    Raises:
        LookupError: The module has no such unpickler.
    """
    unpickler = getattr(module, "Unpickler", None)
    if unpickler is None:
        raise LookupError("dill has no Unpickler")
    patches.replace(unpickler, "find_class", _guarded(unpickler.find_class))


def _guarded(original: Callable[[Any, str, str], Any]) -> Callable[[Any, str, str], Any]:
    def find_class(self: Any, module: str, name: str) -> Any:
        _unpickling.judge(module, name)
        return original(self, module, name)

    find_class.__doc__ = original.__doc__
    return find_class
