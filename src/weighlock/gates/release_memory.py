"""What the releases that were admitted on this machine are made of: the memory that news in a release is seen by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.errors import FormatError
from weighlock.formats.wheel_profile import WheelProfile
from weighlock.state_file import StateFile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_LARGEST = 256 << 20


class ReleaseMemory:
    """The memory of one user.

    Args:
        path: Of the file, or `None` where there is no place for one: then nothing is ever remembered.
    """

    def __init__(self, path: Path | None) -> None:
        self._file = StateFile(
            path, "releases", most=_LARGEST, holds="what was admitted before", forgets="every release"
        )

    def recall(self, project: str) -> WheelProfile | None:
        """Return the profile of the release of a project that was admitted last.

        Args:
            project: Canonical name.

        Raises:
            SourceError: The memory cannot be read.
        """
        row = self._file.read().get(project)
        if row is None:
            return None
        try:
            return WheelProfile.from_dict(row)
        except FormatError as error:
            raise self._file.unreadable(f"{project}: {error.message}") from None

    def remember(self, profiles: Sequence[WheelProfile]) -> None:
        """Put profiles of admitted releases in the place of what was known of their projects.

        Raises:
            SourceError: The memory cannot be read, and so not changed.
            WeighlockError: It cannot be written.
        """
        rows = {profile.name: profile.to_dict() for profile in profiles}
        if rows:
            self._file.change(lambda known: known.update(rows))
