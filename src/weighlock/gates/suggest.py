"""The smallest set of upgrades that clears the advisories which refuse something: one step for each package."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from weighlock.advisories.interface import days
from weighlock.advisories.upgrades import smallest
from weighlock.gates.packages import Suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime, timedelta

    from weighlock.advisories.interface import AdvisorySource
    from weighlock.gates.packages import JudgedPackage
    from weighlock.install_policy import InstallPolicy
    from weighlock.release import Release

_CHECKS = frozenset({"advisory", "malware-report"})


def suggest(
    judged: Sequence[JudgedPackage], source: AdvisorySource, policy: InstallPolicy, now: datetime
) -> tuple[Suggestion, ...]:
    """Return one upgrade for each package that an advisory refuses.

    A version that the policy would find too young is taken only where no other is free of advisories, and then with a
    word about it.

    Args:
        judged: Everything that was judged; indexes that were asked say which versions there are.
        source: Of advisories, for the versions above.
        policy: For the age that it demands.
        now: The time, with a time zone.
    """
    refused = {_key(item.release): item for item in judged if _blamed(item)}
    old = smallest(source, list(refused), _released(refused.values(), policy.min_age, now))
    young = smallest(source, [key for key in refused if old.get(key) is None], _released(refused.values()))
    found = []
    for key, item in refused.items():
        upgrade = old.get(key) or young.get(key)
        suggestion = Suggestion(
            name=key[0],
            version=key[1],
            upgrade=upgrade,
            clears=_blamed(item),
            origin=item.origin,
            line=_line(item.release, upgrade) if upgrade else None,
        )
        if upgrade and not old.get(key):
            caution = f"it is younger than the {days(policy.min_age)} that the policy asks for"
            suggestion = replace(suggestion, caution=caution)
        found.append(suggestion)
    return tuple(sorted(found, key=lambda one: (one.name, one.version)))


def _key(release: Release) -> tuple[str, str]:
    return release.artifact.name, release.artifact.version


def _blamed(item: JudgedPackage) -> tuple[str, ...]:
    """Return the names of the advisories that are reasons of a refusal."""
    if item.verdict.allowed:
        return ()
    messages = {reason.message for reason in item.verdict.reasons}
    return tuple(
        finding.advisory.id
        for finding in item.findings
        if finding.check in _CHECKS and finding.advisory is not None and finding.message in messages
    )


def _released(
    judged: Iterable[JudgedPackage], min_age: timedelta | None = None, now: datetime | None = None
) -> dict[str, list[str]]:
    """Return the versions of each project that can be had as a wheel, where an index was asked.

    Args:
        judged: Packages.
        min_age: Leave out what is younger, or whose age is not known.
        now: The time.
    """
    found: dict[str, list[str]] = {}
    for item in judged:
        release = item.release
        if not release.pages:
            continue
        versions = found.setdefault(release.artifact.name, [])
        for page in release.pages:
            for file in page.files:
                if file.yanked is not None:
                    continue
                if min_age is not None and now is not None and (not file.uploaded or now - file.uploaded < min_age):
                    continue
                versions += _version(file.filename)
    return found


def _version(filename: str) -> list[str]:
    try:
        return [str(parse_wheel_filename(filename)[1])]
    except InvalidWheelFilename:
        return []


def _line(release: Release, upgrade: str) -> str | None:
    """Return what to write in a requirements file: the requirement with the other version."""
    name = release.artifact.name
    origin = release.origin
    if origin is None or not origin.text or (origin.path is not None and origin.line is None):
        return None  # a lockfile, or a bill of materials, which nobody writes by hand
    if not release.requested:
        return f"{name}>={upgrade}"
    try:
        requirement = Requirement(origin.text.partition(" --hash=")[0].partition(" #")[0].strip())
    except InvalidRequirement:
        return f"{name}=={upgrade}"
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    marker = f" ; {requirement.marker}" if requirement.marker else ""
    pinned = any(one.operator in {"==", "==="} for one in requirement.specifier)
    return f"{requirement.name}{extras}{'==' if pinned else '>='}{upgrade}{marker}"
