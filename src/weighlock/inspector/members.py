"""What the members of a zip archive say about what it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weighlock.formats.archive import Archive

# torch/serialization.py, _save: <name>/data/<number> is the memory of one storage.
_STORAGE = re.compile(r"[^/]*/?data/\d+\Z")

# keras/src/saving/saving_lib.py; older releases have no weights beside a model without variables.
_BESIDE_A_KERAS_CONFIG = frozenset({"metadata.json", "model.weights.h5", "model.weights.npz"})


def is_storage(name: str) -> bool:
    """Tell whether a member of a torch archive is the memory of a storage."""
    return _STORAGE.match(name) is not None


def describe_zip(archive: Archive) -> str:
    """Return ``torch-zip``, ``keras``, ``skops``, ``wheel``, ``npz`` or ``zip``."""
    names = [entry.name for entry in archive.entries]
    # PyTorch's reader ignores the case of names.
    if any(name.lower().rpartition("/")[2] == "data.pkl" for name in names):
        return "torch-zip"
    if "config.json" in names and any(name in _BESIDE_A_KERAS_CONFIG for name in names):
        return "keras"
    if "schema.json" in names:
        return "skops"
    if any(".dist-info/" in name for name in names):
        return "wheel"
    if names and all(name.endswith(".npy") for name in names):
        return "npz"
    return "zip"
