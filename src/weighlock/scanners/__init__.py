"""Other scanners, asked as a second engine beside the inspector: one file each, behind one interface."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weighlock.scanners.interface import Scanner

NAMES = ("modelscan",)


def scanner(name: str) -> Scanner:
    """Return the scanner of a name.

    Raises:
        UsageError: It is not installed.
        KeyError: There is none.
    """
    from weighlock.scanners.modelscan import Modelscan

    return {"modelscan": Modelscan}[name]()
