"""Checks: structure in, findings out. One file each; a file that lies here is a check, there is no list.

A module has ``STRUCTURE``, the class or classes that it reads, and ``run(structure)``, which yields findings. Those in
``packages/`` read what only packages have, so that judging a model does not import them.
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

MODELS = ""
PACKAGES = "packages"
FAMILIES = (MODELS, PACKAGES)


def names(family: str = MODELS) -> tuple[str, ...]:
    """Return the names of all checks of a family, sorted, with dashes."""
    files = os.listdir(os.path.join(os.path.dirname(__file__), family))
    return tuple(sorted(name[:-3].replace("_", "-") for name in files if name.endswith(".py") and name[0] != "_"))


@cache
def _modules(family: str) -> tuple[ModuleType, ...]:
    # No except: a check that cannot be imported is a broken installation, not a check less.
    package = f"{__name__}.{family}".rstrip(".")
    return tuple(import_module(f"{package}.{name.replace('-', '_')}") for name in names(family))


def run(structure: object, family: str = MODELS) -> Iterator[Finding]:
    """Run every check of a family that reads such a structure."""
    for module in _modules(family):
        if isinstance(structure, module.STRUCTURE):
            yield from module.run(structure)
