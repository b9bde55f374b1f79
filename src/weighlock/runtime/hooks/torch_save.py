"""Records what `torch.save` serialises, so that the same project may load it again.

## Covers

- `torch.save` to a path, to an open file and to memory, in both of its formats, and references to it that were bound
  before the guard started; so the checkpoints of transformers, accelerate, lightning and torch.distributed.checkpoint.
- The digest is that of the bytes that torch hands over while it saves.

## Does not cover

- Saves that are not `torch.save`, such as `torch.jit.save`, `torch.export.save` and `torch.package`: they need the
  lockfile.
- ``torch.serialization.skip_data``, which leaves holes in the file: such a file is not recorded.
- The folder inside of the file is called ``archive``, as in every save to an open file, and not after the file.
"""

from __future__ import annotations

import os

from weighlock.runtime import _gate, _saving
from weighlock.runtime._patch import missing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from weighlock.runtime._patch import Patches


def patch(module: ModuleType, patches: Patches) -> None:
    """Follow what `torch.save` writes.

    Raises:
        LookupError: This torch has no such function.
    """
    if not hasattr(module, "save"):
        raise missing(module, "save")
    patches.answer(module, "save", _save)


def _save(original: Any, *args: Any, **kwargs: Any) -> Any:
    positional = len(args) > 1
    target: Any = args[1] if positional else kwargs.get("f")
    path = _saving.is_path(target)
    if not (path or hasattr(target, "write")) or not _gate.records_saves() or _is_part_of_a_pickle():
        return original(*args, **kwargs)

    def save(file: Any) -> Any:
        if positional:
            return original(args[0], file, *args[2:], **kwargs)
        return original(*args, **{**kwargs, "f": file})

    return _saving.into_path(os.fspath(target), save) if path else _saving.into_file(target, save)


def _is_part_of_a_pickle() -> bool:
    """Say whether a storage saves itself into memory because a pickle holds it; that is no file of its own."""
    return _saving.caller("torch.serialization") == "torch.storage"
