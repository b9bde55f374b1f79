"""Programs of torch: TorchScript, packages, exported graphs, and models for ExecuTorch.

## What it does

It names what an archive holds beyond data: the code of TorchScript (``torch.jit:code``) with the operators in it that
open files or are not torch's own, each Python module of a package (``torch.package:code MODULE``), an exported graph
(``torch.export:program``) with its foreign operators, a program for ExecuTorch with the delegates that it names.

## Why it matters

`torch.jit.load` compiles what is in the file, and calling the model runs it; a package runs its Python source when a
module of it is imported; `torch.export.load` builds a graph and compiles Python code for it. Whether that is harmless
depends on who wrote it, so a person has to approve exactly these names.

## Known limits

Nothing looks into what the programs do. The operators are found by their names in the source and the bytecode; they
tell a reviewer more, and nothing rests on their being complete, since the code as a whole needs its approval.

## Sources

``torch/csrc/jit/serialization``, ``torch/package``, ``torch/_export/serde`` of PyTorch 2.13; the schema of ExecuTorch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.finding import Finding, Outcome, Severity, listing
from weighlock.formats.torch_program import NATIVE_CODE, Program

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = Program


def run(program: Program) -> Iterator[Finding]:
    """Yield one finding for all that needs an approval."""
    names = tuple(name for name in program.capabilities if name != NATIVE_CODE)
    if not names:
        return
    yield Finding(
        check="torch-programs",
        severity=Severity.MEDIUM,
        message=f"it is a program: {listing(names)}",
        outcome=Outcome.NEEDS_APPROVAL,
        imports=names,
    )
