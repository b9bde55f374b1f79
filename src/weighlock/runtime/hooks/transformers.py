"""Guards the code that transformers takes from repositories and folders (``trust_remote_code=True``).

## Covers

- Every class that an ``auto_map``, a ``custom_generate`` folder or a custom pipeline names, in the model's own
  repository, in another one (``other/code--module.Class``) and in local folders: its file and the files that it imports
  must be locked with ``remote-code = true``. Code of another repository needs its own lock entry, and comes from the
  commit that is locked there, whatever ``revision`` says. Choke points: `get_cached_module_file`,
  `get_class_in_module`.
- A local folder is judged before anything that its code imports by name is imported.
- `auto_conversion`, which asks a service on the network to convert a repository and loads a revision outside the
  lockfile: it finds nothing, as for a repository that cannot be converted.

## Does not cover

- What admitted code does when it runs.
- Code that was saved by `save_pretrained` of a custom class, which is the program's own: the copy in the folder needs a
  lock entry before it is loaded again.
"""

from __future__ import annotations

from weighlock.runtime import _code, _gate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from weighlock.runtime._patch import Patches


def patch(module: ModuleType, patches: Patches) -> None:
    """Guard ``transformers.dynamic_module_utils`` or ``transformers.safetensors_conversion``.

    Raises:
        LookupError: A choke point is gone, or code is run in another way.
    """
    if module.__name__ == "transformers.safetensors_conversion":
        patches.answer(module, "auto_conversion", _convert)
        return
    _code.guard_downloads(module, patches)


def _convert(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Answer `auto_conversion`: file, revision and whether it has shards."""
    if not _gate.judging():
        return original(*args, **kwargs)
    return None, None, None
