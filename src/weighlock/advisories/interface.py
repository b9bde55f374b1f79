"""What every source of advisories is, and how old its answers may be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from weighlock.advisory import Advisory

WARN_AFTER = timedelta(days=7)
"""Older data are worth a warning, whatever the policy says."""

_SKEW = timedelta(days=1)
"""Clocks of honest machines differ by less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """One file that a database was made of.

    Args:
        label: Where it came from: a URL without credentials, or a path.
        fetched: When it was read, with a time zone.
        newest: When the newest of its records was changed, as far as that is not in the future.
        records: How many of its records are about packages of PyPI.
        etag: Of the file, for a conditional request.
        last_modified: The same.
    """

    label: str
    fetched: datetime
    newest: datetime | None = None
    records: int = 0
    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What is known about a source of advisories as a whole.

    Args:
        name: Of the source, such as ``osv``.
        place: Where it is.
        origins: What it was made of; none for a source that is asked over the network.
        made: When, with a time zone; the present for a source that is asked over the network.
        records: About packages of PyPI, those included that are withdrawn.
        packages: That at least one record is about.
        malware: Records that report a package as malicious.
        withdrawn: Records that do not hold any more.
        unclear: Records that are not understood.
    """

    name: str
    place: str
    origins: tuple[Origin, ...] = ()
    made: datetime
    records: int = 0
    packages: int = 0
    malware: int = 0
    withdrawn: int = 0
    unclear: int = 0

    @property
    def as_of(self) -> datetime | None:
        """The time that its data stand for: that of the newest record of the file that is furthest behind.

        Not the time of the download: a server that never gets anything new would look fresh for ever.
        """
        times = [origin.newest for origin in self.origins]
        if not times:
            return self.made
        known = [time for time in times if time is not None]
        return min(known) if len(known) == len(times) else None

    def age(self, now: datetime) -> timedelta | None:
        """Return how old its data are, or `None` where that cannot be told."""
        return None if self.as_of is None else now - self.as_of

    def problem(self, now: datetime, most: timedelta) -> str | None:
        """Say why its answers cannot be relied on now, in one sentence without a full stop, or return `None`.

        Args:
            now: The time, with a time zone.
            most: Older data do not count.
        """
        age = self.age(now)
        if age is None:
            return f"the advisory database {self.place} does not say how old it is"
        if age < -_SKEW or now < self.made - _SKEW:
            # It would look fresh until its date comes, or for as long as the clock is behind.
            return f"the advisory database {self.place} is from the future, or the clock of this machine is wrong"
        if age > most:
            return f"the advisory database {self.place} is {days(age)} old, and the policy takes {days(most)}"
        return None

    def warning(self, now: datetime) -> str | None:
        """Say that its data grow old, in one sentence without a full stop, or return `None`."""
        age = self.age(now)
        if age is None or age <= WARN_AFTER:
            return None
        return f"the advisory database {self.place} is {days(age)} old"


class AdvisorySource(Protocol):
    """Knows advisories."""

    @property
    def status(self) -> Status:
        """What is known about the source as a whole."""

    def query(self, packages: Sequence[tuple[str, str]]) -> Sequence[tuple[Advisory, ...]]:
        """Return the advisories of packages, those included of which it cannot be told whether they apply.

        Args:
            packages: Names and versions, in any spelling.

        Returns:
            The advisories of each, in their order.

        Raises:
            AdvisoryError: It cannot answer for every one of them.
        """


def days(age: timedelta) -> str:
    """Return a time in words."""
    whole = int(abs(age).total_seconds())
    count, unit = (whole // 86400, "day") if whole >= 172_800 else (whole // 3600, "hour")
    return f"{count} {unit}{'' if count == 1 else 's'}"
