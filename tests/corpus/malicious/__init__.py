"""The malicious corpus: every file's payload is reached by a real loader, and every payload is inert."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.corpus.case import Case

_MODULES = (
    "gadgets",
    "text_opcodes",
    "streams",
    "call_edges",
    "confused",
    "confused_libraries",
    "nested",
    "torch_archives",
    "torch_legacy",
    "joblib_files",
    "numpy_files",
    "compressed",
    "polyglots",
    "extensions",
)


def cases() -> list[Case]:
    """Build the whole corpus, in memory."""
    built = [case for name in _MODULES for case in import_module(f"tests.corpus.malicious.{name}").cases()]
    names = {case.name for case in built}
    if len(names) != len(built):
        duplicates = sorted({case.name for case in built if sum(other.name == case.name for other in built) > 1})
        raise ValueError(f"duplicate file names: {duplicates}")
    return built
