"""The release before a young one, which the young one is compared with.

A release that was out for weeks has been looked at by others. One that was not is compared with the release that it
replaces: the installed one, or else the one before it, whose wheel is fetched for that and never installed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from weighlock.errors import SourceError
from weighlock.gates.examine import WheelJob

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from weighlock.gates.install import Fetched
    from weighlock.release import IndexFile, Release
    from weighlock.sources.index import Index

YOUNG = timedelta(days=14)
"""Releases of popular projects that are younger: 7 of 100."""

_LARGEST = 100 << 20
"""Bytes of an earlier wheel that are worth fetching for a comparison."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Predecessors:
    """Fetches the wheels that young ones are compared with.

    Args:
        quarantine: A private folder.
        indexes: That list the releases.
        installed: Version of every installed distribution, by canonical name.
        now: The time, with a time zone.
    """

    quarantine: Path
    indexes: Sequence[Index]
    installed: Mapping[str, str]
    now: datetime

    def __call__(self, one: Fetched) -> WheelJob | None:
        """Fetch the wheel that a young one is compared with; without one, there is nothing to compare.

        Raises:
            DigestMismatchError: The index lists it with another digest.
        """
        listed, page = one.release.listed, one.release.served_by
        if listed is None or page is None or (listed.uploaded and self.now - listed.uploaded >= YOUNG):
            return None
        file = previous(one.release, self.installed.get(one.artifact.name))
        index = next((index for index in self.indexes if index.url == page.index), None)
        if file is None or index is None:
            return None
        path = self.quarantine / f"previous-{file.filename}"
        try:
            path.write_bytes(index.file(file, _LARGEST))
        except SourceError:
            return None  # an index need not keep old files, and what is new is judged by everything else as well
        return WheelJob(path=str(path), filename=file.filename)


def previous(release: Release, installed: str | None) -> IndexFile | None:
    """Return the wheel of the installed version, else of the newest one before, that is for the same platform.

    Args:
        release: The new one, with the page that serves it.
        installed: The version that is installed, if one is.
    """
    new = _parsed(release.artifact.filename)
    if new is None or release.served_by is None:
        return None
    found = [
        (version, tags == new[1], file)
        for file, (version, tags) in _wheels(release.served_by.files)
        if version < new[0] and not version.is_prerelease and file.sha256 is not None
    ]
    wanted = [row for row in found if installed is not None and str(row[0]) == installed] or found
    return max(wanted, key=lambda row: row[:2])[2] if wanted else None


def _wheels(files: Sequence[IndexFile]) -> Iterator[tuple[IndexFile, tuple[Version, str]]]:
    for file in files:
        parsed = _parsed(file.filename)
        if parsed is not None:
            yield file, parsed


def _parsed(filename: str) -> tuple[Version, str] | None:
    try:
        _, version, _, _ = parse_wheel_filename(filename)
    except (InvalidWheelFilename, InvalidVersion):
        return None
    return version, "-".join(filename.split("-")[-3:])
