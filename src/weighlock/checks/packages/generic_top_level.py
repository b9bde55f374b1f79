"""Top modules with names that belong to nobody.

## What it does

It tells of packages such as ``tests``, ``docs``, ``scripts`` or ``utils`` that a wheel installs beside its own.

## Why it matters

Two distributions that do so overwrite each other's files, and a program's own ``tests`` or ``utils`` may no longer be
found. Mostly it is forgetfulness.

## Known limits

A list of names, of which nothing follows alone.

## Sources

Six of 396 popular wheels: dm-haiku, flair, nvidia-ml-py, roboflow, seldon-core, torchao.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.finding import Finding, Severity, listing
from weighlock.formats.wheel import Wheel
from weighlock.formats.wheel_place import GENERIC

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = Wheel


def run(wheel: Wheel) -> Iterator[Finding]:
    """Yield a finding if there are such names."""
    names = sorted(name for name in wheel.top_levels.keys() & GENERIC if name != wheel.name)
    if names:
        message = f"it installs packages under names that belong to nobody: {listing(names)}"
        yield Finding(check="generic-top-level", severity=Severity.INFO, message=message)
