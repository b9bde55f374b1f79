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

import os
from inspect import signature

from weighlock.runtime import _code
from weighlock.runtime._patch import missing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from weighlock.runtime._patch import Patches


def patch(module: ModuleType, patches: Patches) -> None:
    """Guard ``diffusers.utils.dynamic_modules_utils``.

    Raises:
        LookupError: A choke point is gone, or code is run in another way.
    """
    importer = getattr(module, "get_class_in_module", None)
    if importer is None:
        raise missing(module, "get_class_in_module")
    _code.require_importing(importer)
    patches.answer(module, "get_cached_module_file", _fetch)


def _fetch(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Answer `get_cached_module_file`, which also imports what the file imports by name."""
    arguments = signature(original).bind(*args, **kwargs).arguments
    folder = os.path.join(os.fspath(arguments["pretrained_model_name_or_path"]), arguments.get("subfolder") or "")
    place = os.path.join(folder, arguments["module_file"])
    if os.path.isfile(place):
        _code.judged_source(place, folder)
    return original(*args, **kwargs)
