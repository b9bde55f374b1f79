"""Guards the code that diffusers takes from repositories and folders: custom pipelines and components.

## Covers

- ``custom_pipeline`` and components with code of their own, from the model's repository, from another one, from a local
  folder or file, and the community pipelines, which are files of ``datasets/diffusers/community-pipelines-mirror``: the
  file and the files that it imports must be locked with ``remote-code = true``. Choke points:
  `get_cached_module_file`, `get_class_in_module`.
- A local file is judged before anything that it imports by name is imported.

## Does not cover

- What admitted code does when it runs.
- Classes of installed packages that a ``model_index.json`` names.
"""

from __future__ import annotations

from weighlock.runtime import _code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from weighlock.runtime._patch import Patches


def patch(module: ModuleType, patches: Patches) -> None:
    """Guard ``diffusers.utils.dynamic_modules_utils``.

    Raises:
        LookupError: A choke point is gone, or code is run in another way.
    """
    _code.guard_downloads(module, patches)
