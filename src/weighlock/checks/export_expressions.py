"""Expressions in exported programs that are no arithmetic.

## What it does

It reports texts in the place of symbolic sizes that hold anything but symbols, numbers, operators and the functions
that torch writes there.

## Why it matters

`torch.export.load` gives these texts to ``sympy.sympify``, which evaluates them as Python. A text that calls anything
else runs while the file is loaded.

## Known limits

A function that a later torch adds is reported until it is in the list.

## Sources

``torch/_export/serde/serialize.py`` (``_parse_sym_expr``) of PyTorch 2.13; the warning in the documentation of
``sympy.sympify``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.finding import Finding, Outcome, Severity
from weighlock.formats.torch_program import Program

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = Program

_SHOWN = 80


def run(program: Program) -> Iterator[Finding]:
    """Yield one finding for each expression."""
    for text in program.expressions:
        yield Finding(
            check="export-expressions",
            severity=Severity.CRITICAL,
            message=f"loading it evaluates {text[:_SHOWN]!r}, which is no arithmetic of sizes",
            outcome=Outcome.REFUSED,
        )
