"""Rows of archives in one file, of which a loader reads one at a time."""

from __future__ import annotations

import os

from weighlock.errors import FormatError, OverBudgetError
from weighlock.formats.source import Budget, FileSource
from weighlock.formats.zip_row import parts_of


def archives_in(descriptor: int) -> frozenset[tuple[int, int]] | None:
    """Return where each archive of a row begins and ends.

    Args:
        descriptor: An open regular file that was judged.

    Returns:
        ``None`` where it is no such row, so that it was judged as something else.
    """
    try:
        return frozenset(parts_of(FileSource(descriptor, os.fstat(descriptor).st_size), Budget()))
    except (FormatError, OverBudgetError):
        return None
