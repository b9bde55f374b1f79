"""Checks: structure in, findings out. One file each; a file that lies here is a check, there is no list.

A module has ``STRUCTURE``, the class or classes that it reads, and ``run(structure)``, which yields findings.
"""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from weighlock.finding import Finding


def names() -> tuple[str, ...]:
    """Return the names of all checks, sorted, with dashes."""
    files = os.listdir(os.path.dirname(__file__))
    return tuple(sorted(name[:-3].replace("_", "-") for name in files if name.endswith(".py") and name[0] != "_"))


@cache
def _modules() -> tuple[ModuleType, ...]:
    # No except: a check that cannot be imported is a broken installation, not a check less.
    return tuple(import_module(f"{__name__}.{name.replace('-', '_')}") for name in names())


def run(structure: object) -> Iterator[Finding]:
    """Run every check that reads such a structure."""
    for module in _modules():
        if isinstance(structure, module.STRUCTURE):
            yield from module.run(structure)
