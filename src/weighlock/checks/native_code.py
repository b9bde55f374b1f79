"""Native code in a model.

## What it does

It reports the part of an archive that AOTInductor takes: a shared library, kernels, or sources that are compiled when
the model is loaded (``aoti:native-code``).

## Why it matters

Loading such an archive unpacks it into a temporary folder, compiles what is not compiled yet, with options that the
archive chooses, and loads the result into the process. There is no way to hold that to anything.

## Known limits

Any member below ``data/aotinductor/`` counts, whatever it holds.

## Sources

``torch/csrc/inductor/aoti_package/model_package_loader.cpp`` of PyTorch 2.13.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.finding import Finding, Outcome, Severity
from weighlock.formats.torch_program import NATIVE_CODE, Program

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = Program


def run(program: Program) -> Iterator[Finding]:
    """Yield the finding about native code."""
    if NATIVE_CODE in program.capabilities:
        yield Finding(
            check="native-code",
            severity=Severity.HIGH,
            message="loading it compiles and loads native code that the archive brings along",
            outcome=Outcome.NEEDS_APPROVAL,
            imports=(NATIVE_CODE,),
        )
