"""What pip records about an installation, made to say what it says after plain pip.

pip is told of every wheel as if a person had asked for it, and by a folder instead of by its URL. So ``REQUESTED`` is
taken away where nobody asked, and ``direct_url.json`` is written where plain pip would have written it.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from weighlock.errors import SourceError
from weighlock.files import read_regular
from weighlock.install_policy import canonical_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from weighlock.sources.pip.footprint import Destination
    from weighlock.sources.pip.interface import JudgedWheel

_DIST_INFO = re.compile(r"(.+)-([^-]+)\.dist-info", re.IGNORECASE)
_LARGEST = 256 << 20
_REQUESTED, _DIRECT_URL, _RECORD = "REQUESTED", "direct_url.json", "RECORD"


def correct(wheels: Iterable[JudgedWheel], destination: Destination, *, before: Collection[str] = ()) -> None:
    """Make the records of freshly installed wheels say who asked for them, and by which URL.

    Args:
        wheels: All of them.
        destination: Where pip installed them.
        before: Folders that pip left as they were: under ``--target`` it replaces nothing unless it is told to.

    Raises:
        SourceError: A wheel is not there, or its record cannot be read.
        OSError: The file system refused.

    Source:
        PEP 376 and PEP 627 (``RECORD``, ``REQUESTED``), PEP 610 (``direct_url.json``).
    """
    places: dict[str, list[Path]] = {}
    for wheel in wheels:
        folder = _dist_info(wheel, destination, places)
        if os.fspath(folder) in before:
            continue
        if not wheel.requested:
            _take(folder, _REQUESTED)
        if wheel.direct_url is not None:
            _add(folder, _DIRECT_URL, json.dumps(dict(wheel.direct_url), sort_keys=True).encode())


def _dist_info(wheel: JudgedWheel, destination: Destination, places: dict[str, list[Path]]) -> Path:
    scheme = destination.schemes[wheel.artifact.name]
    for folder in [destination.target] if destination.target else [scheme["purelib"], scheme["platlib"]]:
        if folder not in places:
            places[folder] = [Path(folder, name) for name in os.listdir(folder) if _DIST_INFO.fullmatch(name)]
        for path in places[folder]:
            match = _DIST_INFO.fullmatch(path.name)
            if match and (canonical_name(match[1]), _canonical_version(match[2])) == (
                wheel.artifact.name,
                _canonical_version(wheel.artifact.version),
            ):
                return path
    raise SourceError("pip says that it is installed, but it is not there", where=wheel.artifact.pin)


def _canonical_version(text: str) -> str:
    from packaging.utils import canonicalize_version

    return canonicalize_version(text.replace("_", "-"))


def _take(folder: Path, name: str) -> None:
    """Remove a file, and its row with it."""
    path = folder / name
    if path.exists():
        rows, end = _rows(folder)
        own = f"{folder.name}/{name}"
        _write(folder, [row for row in rows if row[0].replace("\\", "/") != own], end)
        path.unlink()


def _add(folder: Path, name: str, data: bytes) -> None:
    """Write a file, and a row for it where pip's order puts it."""
    (folder / name).write_bytes(data)  # under the journal, so that it need not be atomic
    rows, end = _rows(folder)
    own = f"{folder.name}/{name}"
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    kept = [row for row in rows if row[0] != own]
    _write(folder, sorted([*kept, [own, f"sha256={digest}", str(len(data))]]), end)


def _rows(folder: Path) -> tuple[list[list[str]], str]:
    """Return the rows of a record, and how its lines end."""
    path = folder / _RECORD
    try:
        text = read_regular(path, _LARGEST).decode("utf-8")
        return [row for row in csv.reader(io.StringIO(text, newline="")) if row], "\r\n" if "\r\n" in text else "\n"
    except (OSError, ValueError, csv.Error) as error:
        raise SourceError(f"the record that pip wrote cannot be read: {error}", where=str(path)) from error


def _write(folder: Path, rows: list[list[str]], end: str) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=end).writerows(rows)
    (folder / _RECORD).write_bytes(text.getvalue().encode("utf-8"))
