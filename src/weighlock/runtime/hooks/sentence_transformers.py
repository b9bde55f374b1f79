"""Guards the classes that the configuration of a sentence-transformers model names.

## Covers

- ``modules.json`` and the other configurations name classes by their modules, and the library imports and calls them.
  Classes of sentence-transformers itself and of `torch.nn` pass. Classes in the repository's own files come through
  transformers, whose hook judges them. All others, of whatever installed package, need a model that is locked with
  ``remote-code = true``. Choke points: `import_from_string`, and what knows the model: `import_module_class` or, before
  version 6, `SentenceTransformer._load_module_class_from_ref`.

## Does not cover

- What an admitted class does with its configuration.
- A class that the program itself looks up by `import_from_string` while no model is loaded: it is refused like one
  that a configuration names.
"""

from __future__ import annotations

from _thread import _local
from inspect import signature

from weighlock.runtime import _code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from weighlock.runtime._patch import Patches

_OWN = ("sentence_transformers.", "torch.nn.")

_thread = _local()


def patch(module: ModuleType, patches: Patches) -> None:
    """Guard ``sentence_transformers.util``, and ``sentence_transformers.SentenceTransformer`` of older versions.

    Raises:
        LookupError: A choke point is gone.
    """
    model = getattr(module, "SentenceTransformer", None)
    if module.__name__ == "sentence_transformers.SentenceTransformer":
        if hasattr(model, "_load_module_class_from_ref"):
            patches.answer(model, "_load_module_class_from_ref", _import_of_model)
        return
    patches.answer(module, "import_from_string", _import)
    if hasattr(module, "import_module_class"):
        patches.answer(module, "import_module_class", _import_of_model)


def _import(original: Callable[..., Any], dotted_path: str) -> Any:
    """Answer `import_from_string`."""
    if not dotted_path.startswith(_OWN):
        _code.admit_class(dotted_path, getattr(_thread, "model", None))
    return original(dotted_path)


def _import_of_model(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Answer `import_module_class`, which knows the model."""
    outer = getattr(_thread, "model", None)
    model = signature(original).bind(*args, **kwargs).arguments.get("model_name_or_path")
    _thread.model = None if model is None else str(model)
    try:
        return original(*args, **kwargs)
    finally:
        _thread.model = outer
