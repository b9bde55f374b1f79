"""Compiled modules that Python would run in place of their source, or without one.

## What it does

It refuses a compiled module (``.pyc``) that says of itself that Python must not compare it with its source, and one
that can be imported and has no source in the wheel at all. Other compiled modules are told of.

## Why it matters

Whoever reads the package, person or scanner, reads the source. An installer that does not compile, as uv by default and
pip with ``--no-compile``, leaves the compiled module where Python takes it first; two bits of its header keep Python
from noticing that it does not belong to that source.

## Known limits

A compiled module with the time and size of its source is not decompiled: installers give the source a time of its own,
so that Python compiles it again.

## Sources

PEP 552; https://www.reversinglabs.com/blog/when-python-bytecode-bites-back-who-checks-the-contents-of-compiled-python-files
(fshec2, June 2023). Of 396 popular wheels two have compiled modules, all with the time of their source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.finding import Finding, Location, Outcome, Severity, listing
from weighlock.formats.wheel import Content, Wheel

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = (Content, Wheel)

_COMPILED = (".pyc", ".pyo")
_HASHED, _COMPARED = 1, 2  # PEP 552: by the source's hash in place of its time; that hash is compared


def run(found: Content | Wheel) -> Iterator[Finding]:
    """Yield a finding for compiled modules."""
    if isinstance(found, Wheel):
        yield from _of_wheel(found)
    elif found.member.name.lower().endswith(_COMPILED):
        flags = int.from_bytes(found.data[4:8], "little")
        if flags & _HASHED and not flags & _COMPARED:
            yield _refused("Python would run it whatever its source says", found.member.name)


def _of_wheel(wheel: Wheel) -> Iterator[Finding]:
    compiled = [member.name for member in wheel.files if member.name.lower().endswith(_COMPILED)]
    if not compiled:
        return
    names = {member.name for member in wheel.files}
    for name in compiled:
        # What lies in __pycache__ is taken only beside its source.
        if "/__pycache__/" not in f"/{name}" and name[:-1] not in names:
            yield _refused("it can be imported, and its source is not there", name)
    message = f"it brings compiled modules: {listing(compiled)}"
    yield Finding(check="hidden-bytecode", severity=Severity.LOW, message=message)


def _refused(message: str, member: str) -> Finding:
    return Finding(
        check="hidden-bytecode",
        severity=Severity.HIGH,
        message=message,
        location=Location(members=(member,)),
        outcome=Outcome.REFUSED,
    )
