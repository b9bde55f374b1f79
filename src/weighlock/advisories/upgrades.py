"""The smallest step up that clears all findings of a package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.formats.pypi_versions import parsed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from packaging.version import Version

    from weighlock.advisories.interface import AdvisorySource
    from weighlock.advisory import Advisory

_MOST = 5_000
"""Versions of a project that are looked at."""


def smallest(
    source: AdvisorySource,
    packages: Sequence[tuple[str, str]],
    released: Mapping[str, Sequence[str]] | None = None,
    counts: Callable[[str, Advisory], bool] = lambda _name, _advisory: True,
) -> dict[tuple[str, str], str | None]:
    """Return, for each package with advisories, the lowest higher version that has none.

    Pre-releases are no upgrades, unless the version is one itself.

    Args:
        source: Such as the local database.
        packages: Names and versions.
        released: All versions of a project that can be had, by name; where it is missing, the versions that the
            advisories call fixed are what is known to exist.
        counts: Says whether an advisory about a project has to be cleared; by default all have to be. One that the
            policy admits and that nobody has fixed yet must not stand in the way of the others.

    Returns:
        The version as spelled by the index or the advisory, or `None` where no version that is known is free.
    """
    found: dict[tuple[str, str], str | None] = {}
    for (name, version), advisories in zip(packages, source.query(packages), strict=True):
        if not any(counts(name, advisory) for advisory in advisories):
            continue
        known = (released or {}).get(name)
        texts = known if known is not None else [text for advisory in advisories for text in advisory.fixed]
        found[name, version] = _lowest_free(source, name, _above(version, texts), counts)
    return found


def _above(version: str, texts: Sequence[str]) -> list[str]:
    now = parsed(version)
    higher: dict[Version, str] = {}
    for text in texts:
        candidate = parsed(text)
        if candidate is None or (now is not None and candidate <= now):
            continue
        if candidate.is_prerelease and not (now is not None and now.is_prerelease):
            continue
        higher.setdefault(candidate, text)
    return [higher[candidate] for candidate in sorted(higher)][:_MOST]


def _lowest_free(
    source: AdvisorySource, name: str, candidates: list[str], counts: Callable[[str, Advisory], bool]
) -> str | None:
    found = source.query([(name, text) for text in candidates])
    for text, advisories in zip(candidates, found, strict=True):
        if not any(counts(name, advisory) for advisory in advisories):
            return text
    return None
