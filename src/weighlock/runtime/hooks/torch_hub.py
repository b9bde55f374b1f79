"""Guards `torch.hub`.

## Covers

- `load`, `list` and `help`, of GitHub and of local folders: the Python files of a repository are executed only where
  the lockfile lists the repository's folder with ``remote-code = true``. Each file is read once, verified, and compiled
  from the verified bytes, also those that are imported later. Compiled caches and extension modules in the folder are
  not looked at.
- `download_url_to_file`, and so `load_state_dict_from_url`, `torch.utils.model_zoo.load_url`, torchvision's weights and
  the archives of repositories: a download is judged before it is published under its name. What is loaded from it is
  judged once more.

## Does not cover

- Which commit of a GitHub repository a folder holds: the lockfile knows its files, not where they came from.
- What approved code does, such as putting other folders on ``sys.path``.
- The only member of a zip that torch before 1.6 was given: it is unpacked and judged as a file of its own, which has to
  be in the lockfile.
- Names of a repository that are imported already, from whatever place: Python does not import them again.
"""

from __future__ import annotations

import os
import sys

from weighlock.runtime import _admit, _gate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from weighlock.runtime._patch import Patches

_LOADER = "torch.hub"

POINTS = ("_import_module", "download_url_to_file")
"""In every torch since 2.0."""


def patch(module: ModuleType, patches: Patches) -> None:
    """Make imports and downloads judge first.

    Raises:
        LookupError: This torch has no such function.
    """
    patches.answer(module, "_import_module", _import)
    patches.answer(module, "download_url_to_file", _download)
    patches.afterwards(_forget)


def _forget() -> None:
    sources = sys.modules.get("weighlock.runtime._sources")
    if sources is not None:
        sources.forget()


def _import(original: Callable[..., Any], name: str, path: str) -> Any:
    if not _gate.judging():
        return original(name, path)
    from weighlock.runtime import _sources

    imported = _sources.import_locked(name, path, _LOADER)
    return original(name, path) if imported is None else imported


def _download(original: Callable[..., Any], url: str, dst: str, *args: Any, **kwargs: Any) -> None:
    if not _gate.judging():
        return original(url, dst, *args, **kwargs)  # type: ignore[no-any-return]
    dst = os.path.expanduser(dst)
    place = f"{dst}.{os.urandom(8).hex()}.unjudged"
    try:
        original(url, place, *args, **kwargs)
        with open(place, "rb") as file, _admit.admit_descriptor(file.fileno(), url, _LOADER):
            os.replace(place, dst)
    finally:
        if os.path.exists(place):
            os.remove(place)
    return None
