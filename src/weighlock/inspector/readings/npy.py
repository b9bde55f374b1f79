"""Judges arrays of numpy, and the pickles in them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from weighlock.errors import FormatError
from weighlock.formats import npy
from weighlock.formats.source import TailSource
from weighlock.inspector.pickles import read_pickle

if TYPE_CHECKING:
    from weighlock.formats.source import Source
    from weighlock.inspector.judging import Judging


def read(judging: Judging, source: Source, head: bytes, name: str) -> None:
    """Judge arrays one after the other, as numpy.load reads them from an open file, and what follows."""
    del head, name
    start, stream = 0, source.open()
    while True:
        try:
            header = npy.parse_header(stream)
        except FormatError:
            break
        judging.note("npy")
        if header.data_size is None:
            trace = read_pickle(stream, judging.budget, "npy")
            if trace is None:
                return
            trace.nested = [replace(item, offset=item.offset + start + header.offset) for item in trace.nested]
            judging.trace(trace, source)
            start += header.offset + trace.end
            judging.budget.spend("entries", 1)
            stream = TailSource(source, start).open()
        elif stream.skip(header.data_size) < header.data_size:
            return
        else:
            start += header.offset + header.data_size
    tail = TailSource(source, start)
    if start and tail.head(1):
        judging.source(tail)
