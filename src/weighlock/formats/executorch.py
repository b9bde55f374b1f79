"""ExecuTorch programs (``.pte``): operators and delegates that the runtime on a device calls by name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from weighlock.formats.flatbuffer import Table
from weighlock.formats.torch_program import Program

if TYPE_CHECKING:
    from weighlock.formats.source import RandomAccess

MAGIC = re.compile(rb"ET\d\d\Z")

_PROGRAM = "executorch:program"
_PLANS, _OPERATORS, _DELEGATES = 1, 6, 7  # fields of Program and of ExecutionPlan
_OWN = ("aten::", "prim::", "executorch_prim::", "dim_order_ops::", "quantized_decomposed::", "et_copy::")
_MOST = 64


def parse(source: RandomAccess) -> Program:
    """Read what an ExecuTorch program names.

    Raises:
        FormatError: It is broken.

    Source:
        ``schema/program.fbs`` of ExecuTorch 1.0.
    """
    found = {_PROGRAM}
    for plan in Table.root(source).tables(_PLANS):
        for delegate in plan.tables(_DELEGATES):
            found.add(f"executorch:delegate {_shown(delegate.text(0))}")
        for operator in plan.tables(_OPERATORS):
            name = operator.text(0)
            if not name.startswith(_OWN):
                found.add(f"executorch:op {_shown(name)}")
        if len(found) > _MOST:
            break
    return Program(tuple(sorted(found)))


def _shown(name: str) -> str:
    return name if name and name.isprintable() else ascii(name)
