"""One loader of the matrix, and the payload that its file holds."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Row:
    """How a file with a payload is written, and how a program loads it.

    Args:
        name: As the table shows it.
        hook: The file in ``runtime/hooks/`` that guards it.
        write: Writes the file; gets the name of the folder that the payload makes, and the row's own folder.
        bind: Imports the library and binds its names; returns the load, which gets the row's folder.
        locked: A file that is harmless and not the locked one: that it loads at all is what must not happen.
        never: Why the payload does not run without the guard either; the row shows that it still does not.
        slow: An import of this library takes long: the quick slice of the tests leaves it out.
    """

    name: str
    hook: str
    write: Callable[[str, Path], None]
    bind: Callable[[], Callable[[Path], object]]
    locked: bool = False
    never: str | None = None
    slow: bool = False

    @property
    def slug(self) -> str:
        """A name for folders."""
        return "".join(character if character.isalnum() else "-" for character in self.name)

    @property
    def marker(self) -> str:
        """The folder that the payload makes where it runs."""
        return f"marker-{self.slug}"


class Payload:
    """Unpickled, it makes a folder below the current one."""

    def __init__(self, marker: str) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (self.marker,)
