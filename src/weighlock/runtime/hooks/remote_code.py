"""Guards the import of Python code that came with a model: what is compiled is what the lockfile admits.

## Covers

- Modules in the folders into which transformers, diffusers, datasets and evaluate copy code (``HF_MODULES_CACHE``), and
  in the cache of huggingface_hub: the file itself, its relative imports, the packages around it, and whatever else lies
  there, however it is imported. Each is read once, must have the bytes of a file of that name of a model that is locked
  with ``remote-code = true``, and is compiled from the judged bytes. Empty files pass.
- Compiled files beside the source are not read; compiled files without a source and native modules are refused.
- ``unlocked = "inspect"`` changes nothing: what code does, no inspection can tell.

## Does not cover

- What admitted code does: it is a program that a person read and admitted. What it loads is judged all the same.
- Code in other folders: the program's own, and that of installed packages, whose names a model's code may import.
- Code that a program reads as text and runs itself.
"""

from __future__ import annotations

from weighlock.runtime import _code

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

    from weighlock.runtime._patch import Patches


def patch(module: ModuleType, patches: Patches) -> None:
    """Let Python's loaders judge, as soon as ``huggingface_hub.constants`` says where code may lie.

    Raises:
        LookupError: They work in another way.
    """
    del module
    _code.guard_imports(patches)
