"""Versions as advisories spell them: an order for all of them, also for those that PEP 440 does not know.

A spelling that PEP 440 does not know, such as ``2.0.0-final`` or ``0.8.6p1``, has no place of its own. It lies
somewhere from the number that it begins with to the next such number, and one that begins with no number lies anywhere.
Wherever the answer depends on where exactly, it is "affected": a place that is not known can make a false alarm, never
a false "clean".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST = 256
"""Characters of a version that is looked at; PEP 440 says nothing, and the longest known one has fewer than 100."""

FIRST = "0"
"""What an advisory writes for "from the very first version": it lies below ``0.dev0``."""

_RELEASE = re.compile(r"\s*v?((?:[0-9]{1,9}!)?[0-9]{1,18}(?:\.[0-9]{1,18}){0,16})", re.IGNORECASE | re.ASCII)
_SEPARATORS = re.compile(r"[-_.\s]+")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a version lies: at one point, or somewhere between two.

    Args:
        low: It lies here or above; `None` is below everything.
        high: It lies here or below; `None` is above everything.
    """

    low: Version | None
    high: Version | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Versions one after the other.

    Args:
        start: The first one, or `FIRST`.
        end: The one behind it, or `None` where it has no end.
        closed: `end` belongs to it.
    """

    start: str = FIRST
    end: str | None = None
    closed: bool = False


@lru_cache(maxsize=1 << 16)
def parsed(text: str) -> Version | None:
    """Return a version, or `None` where PEP 440 does not know the spelling. It never raises."""
    if len(text) > LONGEST:
        return None
    try:
        return Version(text)
    except ValueError:  # also for more digits than an integer may have
        return None


@lru_cache(maxsize=1 << 16)
def place(text: str) -> Place:
    """Return where a version lies.

    Source:
        PEP 440 for what it knows; for the rest the head of this file.
    """
    version = parsed(text)
    if version is not None:
        return Place(version, version)
    match = _RELEASE.match(text[:LONGEST])
    if match is None:
        return Place(None, None)
    epoch, _, release = match[1].rpartition("!")
    numbers = [int(number) for number in release.split(".")]
    low = _version(epoch, numbers)
    numbers[-1] += 1
    return Place(low, _version(epoch, numbers))


def _version(epoch: str, numbers: list[int]) -> Version:
    """Return what lies below everything else that begins with these numbers."""
    return Version(f"{epoch or 0}!{'.'.join(map(str, numbers))}.dev0")


def keys(text: str) -> tuple[str, ...]:
    """Return the keys under which a version is found in a list of versions: its own, and that of its public part.

    A local version such as ``1.13.0+cpu`` is a build of ``1.13.0``, so what is said of that holds for it as well.
    """
    version = parsed(text)
    if version is None or version.local is None:
        return (key(text),)
    return key(text), key(version.public)


@lru_cache(maxsize=1 << 16)
def key(text: str) -> str:
    """Return the same string for all spellings of a version: ``1.0``, ``v1.0.0`` and ``1`` are one version."""
    version = parsed(text)
    if version is None:
        return _SEPARATORS.sub("-", text[:LONGEST].strip().lower())
    release = list(version.release)
    while len(release) > 1 and not release[-1]:
        release.pop()
    rest = str(version).removeprefix(version.base_version)
    return f"{version.epoch}!{'.'.join(map(str, release))}{rest}"


def covers(interval: Interval, text: str) -> bool:
    """Say whether a version lies in an interval, or may lie there.

    Source:
        OSV schema, "Evaluation": introduced and last_affected belong to a range, fixed and limit do not.
    """
    where = place(text)
    if interval.start != FIRST:
        start = place(interval.start).low
        if where.high is not None and start is not None and where.high < start:
            return False
    if interval.end is None:
        return True
    end, low = place(interval.end).high, where.low
    if end is None or low is None:
        return True
    if not interval.closed:
        return low < end
    # A local build of the last affected version is affected as well, although it sorts behind it.
    return low <= end or (low.local is not None and parsed_public(low) <= end)


def parsed_public(version: Version) -> Version:
    """Return a version without its local part."""
    return Version(version.public)


def intervals(events: Iterable[tuple[str, str]]) -> tuple[Interval, ...]:
    """Return what the events of one range come to, whatever their order.

    Args:
        events: Pairs of ``introduced``, ``fixed``, ``last_affected`` or ``limit`` and a version. A range without
            ``introduced`` begins with the first version.

    Source:
        OSV schema, "affected[].ranges[].events" and "Evaluation".
    """
    points = sorted(events, key=_order)
    if not any(kind == "introduced" for kind, _ in points):
        points.insert(0, ("introduced", FIRST))
    found, start = list[Interval](), None
    for kind, version in points:
        if kind == "introduced":
            start = version if start is None else start
        elif start is not None and kind in {"fixed", "last_affected"}:
            found.append(Interval(start=start, end=version, closed=kind == "last_affected"))
            start = None
    if start is not None:
        found.append(Interval(start=start))
    return tuple(_limited(found, [version for kind, version in points if kind == "limit"]))


# What is fixed and introduced again in one version was not fixed; what is introduced in the last affected version is
# that version.
_RANK = {"fixed": 0, "introduced": 1, "last_affected": 2, "limit": 3}


def _order(event: tuple[str, str]) -> tuple[int, Version, int]:
    kind, text = event
    if kind == "introduced":
        point = None if text == FIRST else place(text).low
        return (0, _ZERO, _RANK[kind]) if point is None else (1, point, _RANK[kind])
    point = place(text).high
    return (2, _ZERO, _RANK[kind]) if point is None else (1, point, _RANK[kind])


_ZERO = Version("0")


def _limited(found: list[Interval], limits: list[str]) -> list[Interval]:
    """Cut off what lies at the highest limit or above; ``*`` is no limit."""
    points = [place(limit).high for limit in limits]
    known = [point for point in points if point is not None]
    if not limits or len(known) < len(points):
        return found
    limit = limits[points.index(max(known))]
    kept = [interval for interval in found if interval.start == FIRST or not _reaches(interval.start, limit)]
    return [
        Interval(start=interval.start, end=limit) if interval.end is None or _beyond(interval.end, limit) else interval
        for interval in kept
    ]


def _reaches(text: str, limit: str) -> bool:
    """Whether a version lies at a limit or above, for certain."""
    low, high = place(text).low, place(limit).high
    return low is not None and high is not None and low >= high


def _beyond(text: str, limit: str) -> bool:
    """Whether the end of an interval lies at a limit or above; a closed end at the limit is cut off as well."""
    end, high = place(text).high, place(limit).high
    return end is None or (high is not None and end >= high)
