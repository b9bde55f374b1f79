"""Guards `skops.io`.

## Covers

- `skops.io.load` of a path or an open file and `skops.io.loads`, and with them `skops.card.Card.get_model` and the
  command line of skops. The file is opened once, judged, and loaded from that same open file; what the program puts on
  its list of trusted types does not replace an approval. Files that are no skops files go to `joblib.load`, whose own
  hook judges them.

## Does not cover

- `skops.io.get_untrusted_types` and `skops.io.visualize` read names and build nothing, and are not guarded.
- The classes that an approval names do with their state what they like.
"""

from __future__ import annotations

import io

from weighlock.runtime import _admit, _files, _gate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from weighlock.runtime._patch import Patches

_LOADER = "skops.io.load"


def patch(module: ModuleType, patches: Patches) -> None:
    """Make every reference to `skops.io.load` and `skops.io.loads` judge first.

    Raises:
        LookupError: This skops has no such functions.
    """
    patches.answer(module, "load", _load)
    patches.answer(module, "loads", _loads)


def _load(original: Callable[..., Any], file: Any, *args: Any, **options: Any) -> Any:
    if not _gate.judging():
        return original(file, *args, **options)
    if hasattr(file, "read"):
        # zipfile looks at all of a file, wherever it stands.
        file.seek(0)
        data = file.read()
        with _admit.admit_bytes(data, _files.label_of(file), _LOADER):
            return original(io.BytesIO(data), *args, **options)
    with _admit.admit_path(file, _LOADER) as loading, open(loading.path, "rb") as judged:
        return original(judged, *args, **options)


def _loads(original: Callable[..., Any], data: Any, *args: Any, **options: Any) -> Any:
    if not _gate.judging() or isinstance(data, str):  # skops refuses a text by itself
        return original(data, *args, **options)
    judged = bytes(data)
    with _admit.admit_bytes(judged, "bytes in memory", _LOADER):
        return original(judged, *args, **options)
