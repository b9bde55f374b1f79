"""Native code where a wheel says that it has none.

## What it does

It tells of shared libraries and programs in a wheel that is for any system (``Root-Is-Purelib: true`` and a tag that
ends with ``-any``).

## Why it matters

Nobody can read native code, and a wheel that runs everywhere has little reason to have some.

## Known limits

By the endings of their names (``.so``, ``.pyd``, ``.dll``, ``.dylib``, ``.exe``). A few honest projects carry launchers
or libraries for every system, so nothing follows from this alone.

## Sources

Five of 396 popular wheels: ctransformers, distlib, pip, selenium, setuptools.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.finding import Finding, Location, Severity, listing
from weighlock.formats.wheel import Wheel
from weighlock.formats.wheel_place import is_native

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = Wheel


def run(wheel: Wheel) -> Iterator[Finding]:
    """Yield a finding if there is such code."""
    if not wheel.is_pure or not all(tag.endswith("-any") for tag in wheel.tags):
        return
    native = [member.name for member in wheel.files if is_native(member.name)]
    if native:
        yield Finding(
            check="undeclared-native-code",
            severity=Severity.LOW,
            message=f"it says that it is pure and brings native code: {listing(native)}",
            location=Location(members=(native[0],)),
        )
