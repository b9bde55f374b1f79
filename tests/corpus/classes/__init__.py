"""The class-needing corpus: honest files of real libraries that need more than plain data.

What each file needs is found out independently of the inspector: a real unpickler loads it and an audit hook writes
down every name that is asked for.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.corpus.case import Case

_MODULES = ("estimators", "modules", "configurations", "arrow", "own")


def cases() -> list[Case]:
    """Build the whole corpus, in memory."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        built = [case for name in _MODULES for case in import_module(f"tests.corpus.classes.{name}").cases()]
    if len({case.name for case in built}) != len(built):
        raise ValueError("duplicate file names")
    return built
