"""Judges archives of torch that hold programs, as a whole: their pickles are judged as members."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.formats import torch_program

if TYPE_CHECKING:
    from weighlock.formats.archive import Archive
    from weighlock.inspector.judging import Judging


def read_archive(judging: Judging, archive: Archive) -> None:
    """Judge an archive of any of `torch_program.KINDS`."""
    program = torch_program.parse(archive, judging.budget)
    judging.need(*program.capabilities)
    judging.check(program)
