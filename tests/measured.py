"""What child processes measured for the coverage report."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path


def drop_torn(data: Path) -> list[str]:
    """Delete the files beside `data` that a process was killed over while it wrote them, and say which.

    coverage skips a file that it cannot open, but gives up where a later page of it is torn.
    """
    torn = [file for file in sorted(data.parent.glob(f"{data.name}.*")) if not _is_whole(file)]
    for file in torn:
        file.unlink()
    return [file.name for file in torn]


def _is_whole(file: Path) -> bool:
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as database:
            checked = database.execute("pragma quick_check").fetchall() == [("ok",)]
            return checked and database.execute("select count(*) from coverage_schema").fetchone() == (1,)
    except sqlite3.DatabaseError:
        return False
