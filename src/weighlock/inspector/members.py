"""What the members of a zip archive say about what it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from weighlock.allowlist.interpreter import PROGRAM
from weighlock.formats.torch_program import KINDS, PACKAGE, SCRIPT, kinds_of

if TYPE_CHECKING:
    from weighlock.formats.archive import Archive

# torch/serialization.py, _save: <name>/data/<number> is the memory of one storage.
_STORAGE = re.compile(r"[^/]*/?data/\d+\Z")
_WITH_STORAGES = frozenset({"torch-zip", SCRIPT})

# keras/src/saving/saving_lib.py; older releases have no weights beside a model without variables.
_BESIDE_A_KERAS_CONFIG = frozenset({"metadata.json", "model.weights.h5", "model.weights.npz"})


def is_storage(name: str, *kinds: str) -> bool:
    """Tell whether a member of an archive of these kinds is the memory of a storage."""
    # Of a package, any member may be asked for as a pickle.
    return kinds[0] in _WITH_STORAGES and PACKAGE not in kinds and _STORAGE.match(name) is not None


def loader_of(kind: str) -> str:
    """Return whose reading the pickles are in an archive of that kind."""
    return PROGRAM if kind in KINDS else "pickle"


def kinds_of_zip(archive: Archive) -> tuple[str, ...]:
    """Return what an archive is, first of all and besides: several loaders may each find their own members in it.

    Returns:
        The programs of torch, ``torch-zip``, ``keras``, ``skops``; else ``wheel``, ``npz`` or ``zip``.
    """
    names = [entry.name for entry in archive.entries]
    found = list(kinds_of(names))
    # PyTorch's reader ignores the case of names.
    if not found and any(name.lower().rpartition("/")[2] == "data.pkl" for name in names):
        found.append("torch-zip")
    if "config.json" in names and any(name in _BESIDE_A_KERAS_CONFIG for name in names):
        found.append("keras")
    if "schema.json" in names:
        found.append("skops")
    if found:
        return tuple(found)
    if any(".dist-info/" in name for name in names):
        return ("wheel",)
    if names and all(name.endswith(".npy") for name in names):
        return ("npz",)
    return ("zip",)
