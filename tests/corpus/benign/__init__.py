"""The data-only corpus: files that hold no more than data, written by the real libraries."""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.corpus.case import Case

_MODULES = ("plain", "tensors", "training", "arrays", "array_files", "frames", "packed", "others")


def cases() -> list[Case]:
    """Build the whole corpus, in memory."""
    with warnings.catch_warnings():
        # Much of what people saved is deprecated by now.
        warnings.simplefilter("ignore")
        built = [case for name in _MODULES for case in import_module(f"tests.corpus.benign.{name}").cases()]
    if len({case.name for case in built}) != len(built):
        raise ValueError("duplicate file names")
    return built
