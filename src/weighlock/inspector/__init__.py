"""The inspector: judges the bytes of one artifact under every loader that would accept them.

Not the extension decides how a file is read but its bytes, and where several loaders would take them, each reading
counts. The outcome of the file is the highest outcome of all its readings.

One artifact is judged at a time, so that places which only another file tells are not known. A shelf of dbm.dumb is a
pair of files: its data are judged as a first pickle and those behind it at multiples of 512 bytes, as dbm.dumb writes
them, with zeros in the gaps. An index made by hand can name any other place. No rule within one file tells such a pair
from an honest one: honest data keep remains of overwritten values in their gaps, and an honest index says nothing of
what the data hold at its places. When a shelf is read, the guard holds its pickles to names that do no harm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.inspector.judging import Judging
from weighlock.inspector.spool import default_budget

if TYPE_CHECKING:
    from weighlock.finding import Inspection
    from weighlock.formats.source import Budget, Source


def inspect(source: Source, *, name: str = "", budget: Budget | None = None) -> Inspection:
    """Judge the bytes of an artifact. Nothing of them is executed, imported or unpickled.

    Args:
        source: All bytes of the artifact.
        name: Of its file, where it is known; it only ever adds a reading, such as for formats without a magic number.
        budget: What it may cost; what is over budget is unverifiable.
    """
    judging = Judging(budget or default_budget(source.size or 0))
    judging.source(source, name=name)
    return judging.inspection()
