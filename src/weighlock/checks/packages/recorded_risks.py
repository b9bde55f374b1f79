"""What a bill of materials records of the ways in which a model can execute code.

## What it does

It notes models and files of models whose name ends as those of formats do that can execute code when they are loaded,
and properties of a component that speak of imports, of risks, of malicious or unsafe content or of remote code.

## Why it matters

A generator that looked into a file has seen what a person who only reads the bill wants to know. It is a note: the file
itself is not here, and ``models.lock`` says what was found in it and what was approved.

## Known limits

A name proves nothing, and properties have no common vocabulary. A bill that records nothing may be of a generator that
did not look. Nothing of this refuses a file, and nothing of it admits one.

## Sources

CycloneDX 1.7, ``component.properties``; ``docs/bom-check.md``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from weighlock.finding import Finding, Severity
from weighlock.formats.inventory import Component

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = Component

PICKLED = frozenset(
    ".bin .ckpt .dill .joblib .mar .model .npy .npz .p .pck .pcl .pickle .pkl .pt .pt2 .pte .pth .ptl .skops"
    " .th".split()
)
"""Ends of the names of files that can execute code, in all or in some of the formats that bear them."""

_TELLING = tuple("import unsafe malicious pickle risk needs outcome remote-code remote_code threat".split())
_MOST = 8
_LONGEST = 300


def run(component: Component) -> Iterator[Finding]:
    """Yield a note for each thing that is recorded, up to a number that a person reads."""
    suffix = os.path.splitext(component.name.lower())[1]
    if suffix in PICKLED:
        yield _note(f"by its name it is of a format that can execute code when it is loaded ({suffix})")
    telling = [pair for pair in component.properties if pair[1] and any(word in pair[0].lower() for word in _TELLING)]
    for name, value in telling[:_MOST]:
        yield _note(f"the bill records {name[:100]} = {value[:_LONGEST]}")
    if len(telling) > _MOST:
        yield _note(f"the bill records {len(telling) - _MOST} more facts like these")


def _note(message: str) -> Finding:
    return Finding(check="recorded-risks", severity=Severity.LOW, message=message)
