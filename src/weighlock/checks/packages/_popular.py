"""Names that many people know: what a name of an attacker is made to look like."""

from __future__ import annotations

import os
from functools import cache

_TARGETS = 2000
"""So many of the most downloaded projects are worth to be taken for. Of names further down, honest ones look alike."""


@cache
def known() -> frozenset[str]:
    """Return the canonical names of some 15,000 projects that are downloaded a lot, so that they are what they seem."""
    return frozenset(_ranked())


@cache
def targets() -> tuple[str, ...]:
    """Return the names that look-alikes are measured against, the most downloaded first."""
    return _ranked()[:_TARGETS]


@cache
def _ranked() -> tuple[str, ...]:
    path = os.path.join(os.path.dirname(__file__), "_popular.txt")
    with open(path, encoding="ascii") as stream:
        return tuple(line.strip() for line in stream if not line.startswith("#"))
