"""Several records about one vulnerability become one advisory, named as pip-audit names it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.advisory import Advisory, Severity
from weighlock.formats.osv import worst
from weighlock.formats.pypi_versions import parsed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

PAGE = "https://osv.dev/vulnerability/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A record that is about a version of a package.

    Args:
        id: Its name.
        aliases: Its other names, sorted.
        severity: Its own or that of a record under another name, or `None`.
        summary: One line.
        malware: It reports the package as malicious.
        said: Equal for all records that say the same about versions.
        fixed: Versions of this package that it calls fixed.
        covers: Whether it is about a version of this package.
    """

    id: str
    aliases: tuple[str, ...] = ()
    severity: Severity | None = None
    summary: str = ""
    malware: bool = False
    said: int
    fixed: tuple[str, ...] = ()
    covers: Callable[[str], bool]

    @property
    def names(self) -> frozenset[str]:
        """All its names."""
        return frozenset({self.id, *self.aliases})


def merged(matches: Sequence[Match], version: str) -> tuple[Advisory, ...]:
    """Return one advisory for all records that share a name, sorted by id.

    Two records of PyPI's own database (``PYSEC-``) stay two advisories, even where they share an alias: such aliases
    are often those of a report about several vulnerabilities.

    Args:
        matches: Records about one package that apply to one version.
        version: That version.
    """
    groups = _groups(sorted(matches, key=lambda match: match.id))
    return tuple(sorted((_advisory(group, version) for group in groups), key=lambda advisory: advisory.id))


def _groups(matches: list[Match]) -> list[list[Match]]:
    """Put every record into one group: with the ``PYSEC-`` record of which it has most names, or with its aliases."""
    seeds: dict[str, list[Match]] = {}  # a record may speak of one package in several places
    for match in matches:
        if _rank(_name(match)) == 0:
            seeds.setdefault(_name(match), []).append(match)
    groups = list(seeds.values())
    homes: dict[str, list[list[Match]]] = {}
    for group in groups:
        for name in group[0].names:
            homes.setdefault(name, []).append(group)
    for together in _closures([match for match in matches if _rank(_name(match)) != 0]):
        names = frozenset().union(*(match.names for match in together))
        near = [group for name in sorted(names) for group in homes.get(name, ())]
        if near:
            max(near, key=lambda group: len(group[0].names & names)).extend(together)
        else:
            groups.append(together)
    return groups


def _closures(matches: list[Match]) -> Iterator[list[Match]]:
    """Yield sets of records: those that share a name, and those that share one with one of these, and so on."""
    bearers: dict[str, list[int]] = {}
    for index, match in enumerate(matches):
        for name in match.names:
            bearers.setdefault(name, []).append(index)
    seen = set[int]()
    for first in range(len(matches)):
        reached = [first] if first not in seen else []
        seen.add(first)
        for index in reached:  # grows while it is gone through
            for other in (bearer for name in matches[index].names for bearer in bearers.pop(name, ())):
                if other not in seen:
                    seen.add(other)
                    reached.append(other)
        if reached:
            yield [matches[index] for index in sorted(reached)]


def _rank(name: str) -> int:
    return 0 if name.startswith("PYSEC") else 1 if name.startswith("CVE") else 2


def _name(match: Match) -> str:
    return match.id if _rank(match.id) == 0 else min((match.id, *match.aliases), key=_rank)


def _advisory(group: list[Match], version: str) -> Advisory:
    name = _name(group[0])
    names = frozenset().union(*(match.names for match in group))
    known = [match.severity for match in group if match.severity is not None]
    malware = any(match.malware for match in group)
    return Advisory(
        id=name,
        aliases=tuple(sorted(names - {name})),
        severity=Severity.CRITICAL if malware else worst(known) or Severity.UNKNOWN,
        summary=next((match.summary for match in group if match.summary), ""),
        fixed=_fixed(group, version),
        malware=malware,
        url=PAGE + group[0].id,
    )


def _fixed(group: list[Match], version: str) -> tuple[str, ...]:
    """Return the versions that a record calls fixed, above the version and free of every record of the group."""
    now, found = parsed(version), {}
    distinct = list({match.said: match for match in group}.values())
    for match in distinct:
        for text in match.fixed:
            fixed = parsed(text)
            if fixed is None or (now is not None and fixed <= now):
                continue
            if not any(other.covers(text) for other in distinct if other is not match):
                found[fixed] = text
    return tuple(found[fixed] for fixed in sorted(found))
