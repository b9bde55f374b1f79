"""What Python's own zipfile, with which pip installs wheels, makes of an archive; to be compared with our reading."""

from __future__ import annotations

import zipfile
from typing import IO, TYPE_CHECKING, cast

from weighlock.errors import FormatError

if TYPE_CHECKING:
    from weighlock.formats.source import RandomAccess


class _File:
    """As much of a file as `zipfile.ZipFile` needs to read a directory."""

    def __init__(self, source: RandomAccess) -> None:
        self._source = source
        self._position = 0

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place."""
        position = (0, self._position, self._source.size)[whence] + offset
        if position < 0:
            raise OSError("a place before the start")
        self._position = position
        return position

    def tell(self) -> int:
        """Return the place."""
        return self._position

    def seekable(self) -> bool:
        """Say yes."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        left = max(0, self._source.size - self._position)
        data = self._source.read_at(self._position, left if size < 0 else min(size, left))
        self._position += len(data)
        return data


def infos(source: RandomAccess) -> list[zipfile.ZipInfo]:
    """Return the members as zipfile sees them; their content is not read.

    Args:
        source: The archive, which our own reader has found to be within the budget.

    Raises:
        FormatError: zipfile does not read it.

    Source:
        ``Lib/zipfile`` of the Python that runs this.
    """
    try:
        with zipfile.ZipFile(cast("IO[bytes]", _File(source))) as archive:
            return archive.infolist()
    except Exception as error:  # whatever it raises, it does not read the archive
        raise FormatError(f"zipfile does not read it: {type(error).__name__}") from error
