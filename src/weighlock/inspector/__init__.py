"""The inspector: judges the bytes of one artifact under every loader that would accept them.

Not the extension decides how a file is read but its bytes, and where several loaders would take them, each reading
counts. The outcome of the file is the highest outcome of all its readings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.inspector.judging import Judging
from weighlock.inspector.spool import default_budget

if TYPE_CHECKING:
    from weighlock.finding import Inspection
    from weighlock.formats.source import Budget, Source


def inspect(source: Source, *, budget: Budget | None = None) -> Inspection:
    """Judge the bytes of an artifact. Nothing of them is executed, imported or unpickled.

    Args:
        source: All bytes of the artifact.
        budget: What it may cost; what is over budget is unverifiable.
    """
    judging = Judging(budget or default_budget(source.size or 0))
    judging.source(source)
    return judging.inspection()
