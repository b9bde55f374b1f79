"""Judges a wheel: what it is and would do when it is installed, and the content of every member.

Wheels are read where they lie; nothing of them is unpacked to a disk or executed. Every member is unpacked once, and
each of `READERS` is given its content.

A large wheel can be judged in shares, each in a process of its own: every share reads the structure, the first one
also judges it, and each member belongs to one share. `joined` makes one inspection of them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from weighlock import checks
from weighlock.errors import FormatError, OverBudgetError
from weighlock.finding import Finding, Inspection, Outcome, Severity, unverifiable
from weighlock.formats import wheel as wheel_format
from weighlock.formats.source import Budget, RandomAccess
from weighlock.formats.wheel_place import command_key
from weighlock.formats.wheel_profile import profile_of
from weighlock.inspector.contents import read_members
from weighlock.inspector.import_time import import_time
from weighlock.inspector.spool import spool

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from weighlock.artifact import PackageFile
    from weighlock.formats.source import Source
    from weighlock.formats.wheel import Wheel
    from weighlock.formats.wheel_profile import WheelProfile

# Honest wheels unpack to four times their size or so, and the few with tables of zeros to fifty times.
_INFLATED_BASE, _INFLATED_RATIO = 1 << 30, 100

_LONGEST_TEXT = 1000
_MOST_OF_A_KIND = 20
"""Findings of one check and one outcome that are kept; a further one says how many there were."""


def inspect_wheel(
    source: Source,
    filename: str,
    *,
    expected: PackageFile | None = None,
    owners: Mapping[str, str] | None = None,
    budget: Budget | None = None,
    share: tuple[int, int] = (0, 1),
) -> Inspection:
    """Judge a wheel. Nothing of it is executed, imported, unpickled or unpacked to a disk.

    Args:
        source: All its bytes.
        filename: Its file name, which says what it claims to be.
        expected: What an index or a resolver said it is.
        owners: Which distribution owns each file of the environment that it would be installed into, as
            `weighlock.formats.record.keys` writes them.
        budget: What it may cost; what is over budget is unverifiable.
        share: Which share of the members is read, and of how many; the structure is judged with the first one.

    Returns:
        What was found. A wheel that cannot be read to its end is unverifiable, never without a finding.
    """
    return examine_wheel(source, filename, expected=expected, owners=owners, budget=budget, share=share).inspection


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """All that is known about a wheel, or about a share of it.

    Args:
        inspection: What was found.
        profile: What it is made of, to compare releases; of the shares of a wheel only the last one has it, and a wheel
            that cannot be read has none.
        places: Where its files with content and its commands would be installed, as `weighlock.formats.record.keys`
            writes them; of the shares of a wheel only the first one has them.
        before: Modules that Python would not find any more because it finds one of these files first, likewise.
    """

    inspection: Inspection
    profile: WheelProfile | None = None
    places: frozenset[str] = frozenset()
    before: frozenset[str] = frozenset()


def examine_wheel(
    source: Source,
    filename: str,
    *,
    expected: PackageFile | None = None,
    owners: Mapping[str, str] | None = None,
    said: Mapping[str, object] | None = None,
    budget: Budget | None = None,
    share: tuple[int, int] = (0, 1),
) -> Examination:
    """Judge a wheel as `inspect_wheel` does, and say what it is made of.

    What an import of it runs is found with the last share.
    """
    budget = budget or default_budget(source.size or 0)
    try:
        wheel = wheel_format.parse(_random_access(source, budget), filename, budget)
    except (FormatError, OverBudgetError) as error:
        return Examination(inspection=unverifiable(f"it cannot be read as a wheel: {error.message}"))
    found = list(_of_structure(wheel, expected, owners or {}, said or {})) if share[0] == 0 else []
    places = frozenset(_places(wheel)) if share[0] == 0 else frozenset()
    hidden = frozenset(_before(wheel)) if share[0] == 0 else frozenset()
    profile = None
    if share[0] == share[1] - 1:
        at_import = import_time(wheel, budget)
        found.extend(checks.run(at_import, checks.PACKAGES))
        profile = profile_of(wheel, at_import, budget)
    found.extend(read_members(wheel, _members_of(wheel, share), budget))
    return Examination(inspection=_inspection(found), profile=profile, places=places, before=hidden)


def joined_examination(parts: Sequence[Examination]) -> Examination:
    """Return the examination of a wheel from those of all its shares."""
    profile = next((part.profile for part in parts if part.profile is not None), None)
    places = frozenset[str]().union(*(part.places for part in parts))
    before = frozenset[str]().union(*(part.before for part in parts))
    inspection = joined(part.inspection for part in parts)
    return Examination(inspection=inspection, profile=profile, places=places, before=before)


def judge_placement(source: RandomAccess, filename: str, owners: Mapping[str, str]) -> tuple[Finding, ...]:
    """Judge once more where the files of a wheel that was examined would go, beside other owners.

    Args:
        source: All its bytes.
        filename: Its file name.
        owners: Who else owns some of those files.

    Raises:
        FormatError: It cannot be read as a wheel.
        OverBudgetError: Reading it costs too much.
    """
    wheel = wheel_format.parse(source, filename, default_budget(source.size or 0))
    return tuple(checks.run(wheel_format.Placement(wheel=wheel, owners=owners), checks.PACKAGES))


def joined(parts: Iterable[Inspection]) -> Inspection:
    """Return the inspection of a wheel from those of all its shares."""
    return _inspection([finding for part in parts for finding in part.findings])


def default_budget(size: int) -> Budget:
    """Return the budget for a wheel of `size` bytes."""
    return Budget(inflated=_INFLATED_BASE + _INFLATED_RATIO * size, spool=spool)


def _random_access(source: Source, budget: Budget) -> RandomAccess:
    if isinstance(source, RandomAccess):
        return source
    spooled = budget.spool(source.open())
    if not isinstance(spooled, RandomAccess):
        raise OverBudgetError("over the budget for unpacking")
    return spooled


def _of_structure(
    wheel: Wheel, expected: PackageFile | None, owners: Mapping[str, str], said: Mapping[str, object]
) -> Iterator[Finding]:
    yield from checks.run(wheel, checks.PACKAGES)
    placement = wheel_format.Placement(wheel=wheel, expected=expected, owners=owners, said=said)
    yield from checks.run(placement, checks.PACKAGES)


def _places(wheel: Wheel) -> Iterator[str]:
    yield from (member.place.key for member in wheel.files if member.place is not None and member.size)
    yield from (command_key(entry.name) for entry in wheel.entry_points if entry.is_script)


def _before(wheel: Wheel) -> Iterator[str]:
    for member in wheel.files:
        if member.place is not None and member.size:
            yield from member.place.replaces[1:]


def _members_of(wheel: Wheel, share: tuple[int, int]) -> Sequence[wheel_format.Member]:
    """Return the members of a share: dealt out from the largest on, so that the shares are about the same size."""
    which, shares = share
    if shares == 1:
        return wheel.files
    return sorted(wheel.files, key=lambda member: -member.size)[which::shares]


def _inspection(found: Sequence[Finding]) -> Inspection:
    return Inspection(
        format="wheel",
        outcome=max((finding.outcome for finding in found), default=Outcome.DATA_ONLY),
        findings=tuple(_kept(sorted(found, key=lambda finding: -finding.outcome))),
    )


def _bounded(finding: Finding) -> Finding:
    """Return a finding whose texts a person can read, whatever names the wheel has."""
    members = finding.location.members
    if len(finding.message) <= _LONGEST_TEXT and all(len(name) <= _LONGEST_TEXT for name in members):
        return finding
    location = replace(finding.location, members=tuple(name[:_LONGEST_TEXT] for name in members))
    return replace(finding, message=finding.message[:_LONGEST_TEXT], location=location)


def _kept(found: Sequence[Finding]) -> Iterator[Finding]:
    """Yield the findings without the many of a kind: none of one check can push out those of another."""
    seen: Counter[tuple[str, Outcome]] = Counter()
    worst: dict[tuple[str, Outcome], Severity] = {}
    for finding in map(_bounded, found):
        kind = (finding.check, finding.outcome)
        seen[kind] += 1
        worst[kind] = max(worst.get(kind, finding.severity), finding.severity, key=list(Severity).index)
        if seen[kind] <= _MOST_OF_A_KIND:
            yield finding
    for (check, outcome), count in seen.items():
        if count > _MOST_OF_A_KIND:
            message = f"and {count - _MOST_OF_A_KIND} more such findings"
            yield Finding(check=check, severity=worst[check, outcome], message=message, outcome=outcome)
