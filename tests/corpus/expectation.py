"""What a class-needing file needs, from what a real unpickler asked for: independent of the inspector."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock import allowlist

if TYPE_CHECKING:
    from collections.abc import Iterable


def needed(asked: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Return the names that are not plain data, ``module.name``, names of Python 2 translated, sorted.

    Args:
        asked: Pairs as an unpickler asked for them.
    """
    names = {allowlist.names_of(module, name, legacy=True)[0] for module, name in asked}
    return tuple(sorted(names - allowlist.ENTRIES.keys()))
