"""What this user saw of quarantine lists before: which one was in a place, how long it was, and its head.

Whoever puts an older list back, or another one in its place, finds that a program which begins now remembers, too.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weighlock.errors import WeighlockError
from weighlock.output.escape import printable
from weighlock.own_saves import state_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from weighlock.state_file import StateFile

FILE = "quarantine-lists.json"
_MOST = 1 << 20

_told: set[str] = set()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was in a place.

    Args:
        id: Of the list.
        number: How many events it had.
        head: Of these, see `weighlock.signing.quarantine_statement.head_of`.
        at: When that was, in seconds since the epoch.
    """

    id: str
    number: int
    head: str
    at: int = field(default=0, compare=False)


class Memory:
    """Remembers lists by their places.

    Args:
        environ: Says where the state of this user is; without a state nothing is remembered beyond the process.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        folder = state_folder(environ)
        self.path = None if folder is None else os.path.join(folder, FILE)

    def recall(self, place: str) -> Seen | None:
        """Return what was in a place, as any program of this user saw it.

        Raises:
            SourceError: The memory is there and cannot be read: that is no empty one.
        """
        if self.path is None or not os.path.lexists(self.path):
            return None
        file = self._file()
        row = file.read().get(place)
        if row is None:
            return None
        seen = _seen(row)
        if seen is None:
            raise file.unreadable(f"what it says about {place[:200]} makes no sense")
        return seen

    def remember(self, place: str, seen: Seen) -> None:
        """Keep what is in a place; where that cannot be written, such as in a read-only container, a person is told.

        Raises:
            SourceError: The memory is there and cannot be read.
        """
        known = self.recall(place)
        if self.path is None or known == seen:
            return

        def change(rows: dict[str, Any]) -> None:
            there = _seen(rows.get(place))
            if there is None or there.id != seen.id or there.number < seen.number:
                rows[place] = {"list": seen.id, "number": seen.number, "head": seen.head, "time": seen.at}

        try:
            self._file().change(change)
        except WeighlockError as error:
            if self.path not in _told and sys.stderr is not None:
                _told.add(self.path)
                line = f"weighlock: the next program will not know which quarantine lists were seen: {error}"
                sys.stderr.write(f"{printable(line)}\n")

    def _file(self) -> StateFile:
        from weighlock.state_file import StateFile

        holds, forgets = "which quarantine lists were seen", "every list that was seen"
        return StateFile(Path(self.path or os.devnull), "places", most=_MOST, holds=holds, forgets=forgets)


def _seen(row: Any) -> Seen | None:
    if not isinstance(row, dict):
        return None
    name, number, head, at = (row.get(key) for key in ("list", "number", "head", "time"))
    if not isinstance(name, str) or type(number) is not int or not isinstance(head, str) or type(at) is not int:
        return None
    return Seen(id=name, number=number, head=head, at=at) if 0 <= at < 1 << 34 else None
