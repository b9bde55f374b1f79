"""Judges programs for ExecuTorch, and TorchScript that was saved as a flatbuffer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.formats import executorch
from weighlock.formats.flatbuffer import identifier
from weighlock.formats.torch_program import SCRIPT_CODE, Program

if TYPE_CHECKING:
    from weighlock.formats.source import Source
    from weighlock.inspector.judging import Judging


def read(judging: Judging, source: Source, head: bytes, name: str) -> None:
    """Judge bytes that have one of the identifiers of these flatbuffers."""
    del name
    if executorch.MAGIC.match(identifier(head)):
        judging.note("executorch")
        with judging.certain("executorch"):
            _judge(judging, executorch.parse(judging.random_access(source)))
    else:
        judging.note("torchscript-flatbuffer")
        _judge(judging, Program((SCRIPT_CODE,)))


def _judge(judging: Judging, program: Program) -> None:
    judging.need(*program.capabilities)
    judging.check(program)
