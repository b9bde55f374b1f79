"""OSV's zip files, one JSON record a file: read within bounds, and not at all where readers could differ about it."""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import TYPE_CHECKING

from weighlock.errors import FormatError, OverBudgetError
from weighlock.formats import zip as zip_format
from weighlock.formats.osv import LARGEST as LARGEST_RECORD
from weighlock.formats.source import Budget, BytesSource

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST = 512 << 20
"""Bytes of a file; that of PyPI has some 20 MB."""

_MOST_ENTRIES = 1_000_000
_MOST_BYTES = 4 << 30


def records(data: bytes, where: str) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of every ``.json`` file in a zip file.

    Args:
        data: The zip file.
        where: For messages.

    Raises:
        FormatError: It is no zip file, is damaged, or one that readers could read in different ways.
        OverBudgetError: It is absurdly large, or unpacks to something that is.
    """
    _examine(data, where)
    total = 0
    try:
        # Unlike our own reader, the one of the standard library compares checksums.
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for entry in archive.infolist():
                if entry.is_dir() or not entry.filename.lower().endswith(".json"):
                    continue
                with archive.open(entry) as stream:
                    record = stream.read(LARGEST_RECORD + 1)
                total += len(record)
                if len(record) > LARGEST_RECORD or total > _MOST_BYTES:
                    raise OverBudgetError("it unpacks to more than a database of advisories has", where=where)
                yield entry.filename, record
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, RuntimeError, ValueError) as error:
        raise FormatError(f"it is a damaged zip file: {error}", where=where) from None


def _examine(data: bytes, where: str) -> None:
    """Refuse what is ambiguous or too large before the standard library reads its directory into memory."""
    if len(data) > LARGEST:
        raise OverBudgetError(f"it is larger than {LARGEST >> 20} MB", where=where)
    try:
        archive = zip_format.parse(BytesSource(data), Budget(entries=_MOST_ENTRIES))
    except FormatError:
        raise FormatError("it is not a zip file", where=where) from None
    if archive.anomalies:
        raise FormatError(f"readers could differ about this zip file: {', '.join(archive.anomalies)}", where=where)
