"""Guards the start of subinterpreters.

## Covers

- New interpreters inside a guarded process (`concurrent.interpreters`, ``InterpreterPoolExecutor``, the modules of C
  below them): hooks written in Python belong to one interpreter, so a new one would load anything. It is refused,
  unless start-up files put the guard in place here: those run in every new interpreter as well, and it is guarded as
  this one is.

## Does not cover

- Interpreters that a program written in C makes (embedding, mod_wsgi): Python 3.11 and 3.12 raise an audit event, by
  which they are refused in the same way; Python 3.13 raises none. `weighlock activate` guards them.
- Loads in an interpreter that ran before the guard started in this one.
"""

from __future__ import annotations

from weighlock.runtime import _quarantine
from weighlock.runtime._patch import missing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from weighlock.runtime._patch import Patches


def patch(module: ModuleType, patches: Patches) -> None:
    """Replace the function that makes an interpreter.

    Raises:
        LookupError: The module has no such function.
    """
    original = getattr(module, "create", None)
    if original is None:
        raise missing(module, "create")
    guarded = _guarded(original)
    patches.replace(module, "create", guarded)
    patches.rebind(original, guarded)


def _guarded(original: Callable[..., Any]) -> Callable[..., Any]:
    def create(*args: Any, **kwargs: Any) -> Any:
        _quarantine.judge_interpreter()
        return original(*args, **kwargs)

    create.__doc__ = original.__doc__
    return create
