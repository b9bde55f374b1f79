"""OSV records about packages of PyPI: what they are called, how bad, and which versions they are about.

A record that says something which is not known here is not half understood: it is refused, with the packages that it
names, so that nobody takes them for clean.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from weighlock.advisory import Severity
from weighlock.errors import FormatError
from weighlock.formats import cvss
from weighlock.formats.pypi_versions import LONGEST, Interval, covers, intervals, key, keys
from weighlock.install_policy import canonical_name

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST = 16 << 20
"""Bytes of one record; in 2024 the largest of PyPI had 15 kB."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,127}\Z", re.ASCII)
_LONGEST_NAME = 200
_LONGEST_SUMMARY = 300
_MOST_ALIASES = 1000
_EVENTS = frozenset({"introduced", "fixed", "last_affected", "limit"})
_RANGES = frozenset({"ECOSYSTEM", "SEMVER"})
_WORDS = {
    "NONE": Severity.INFO,
    "LOW": Severity.LOW,
    "MODERATE": Severity.MEDIUM,
    "MEDIUM": Severity.MEDIUM,
    "IMPORTANT": Severity.HIGH,
    "HIGH": Severity.HIGH,
    "CRITICAL": Severity.CRITICAL,
}
_ORDER = tuple(Severity)
_FIRST_YEAR = 2000  # earlier times are the zeros of some clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """Versions of one package that a record is about.

    Args:
        name: Canonical name of the project.
        versions: Keys (`pypi_versions.key`) of versions that are listed one by one, sorted.
        intervals: Versions from one to another; a version is affected by being listed or by lying in one of these.
        fixed: Versions that a range calls fixed and that no other range covers, as spelled there, in their order.
    """

    name: str
    versions: tuple[str, ...] = ()
    intervals: tuple[Interval, ...] = ()
    fixed: tuple[str, ...] = ()

    @property
    def is_vague(self) -> bool:
        """Whether it names the package and no version of it."""
        return not self.versions and not self.intervals

    def covers(self, version: str) -> bool:
        """Say whether a version is affected, or may be where its spelling has no certain place."""
        listed = any(name in self.versions for name in keys(version))
        return listed or any(covers(interval, version) for interval in self.intervals)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record.

    Args:
        id: Its name.
        aliases: Other names of the same thing, sorted.
        modified: When it was last changed, with a time zone, or `None` where it does not say so in a readable way.
        withdrawn: It does not hold any more.
        summary: One line; may hold anything.
        severity: As the record itself says, or `None` where it does not.
        affected: Packages of PyPI; a package may come several times.
    """

    id: str
    aliases: tuple[str, ...] = ()
    modified: datetime | None = None
    withdrawn: bool = False
    summary: str = ""
    severity: Severity | None = None
    affected: tuple[Affected, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """All its names."""
        return frozenset({self.id, *self.aliases})


def parse(data: bytes) -> Record:
    """Parse a record.

    Raises:
        FormatError: It is no record, or says something that is not known here.

    Source:
        OSV schema 1.7, https://ossf.github.io/osv-schema/.
    """
    record = _json(data)
    version = _optional(record, "schema_version", str, "1.0.0")
    if version.partition(".")[0] != "1":
        raise FormatError("it has a schema version that is not known", where="schema_version")
    affected = _list(record, "affected")
    return Record(
        id=_id(record.get("id"), "id"),
        aliases=_aliases(record),
        modified=_time(record.get("modified")),
        withdrawn=_withdrawn(record.get("withdrawn")),
        summary=_summary(record),
        severity=_severity(record, affected),
        affected=tuple(_affected(affected)),
    )


def names_in(data: bytes) -> tuple[str, tuple[str, ...]]:
    """Return the name of a record that is not understood and the packages that it names, as far as they can be read.

    Raises:
        FormatError: Not even these can be read.
    """
    record = _json(data)
    affected = record.get("affected")
    if not isinstance(affected, list):
        raise FormatError("it does not say which packages it is about", where="affected")
    names = []
    for entry in affected:
        package = entry.get("package") if isinstance(entry, dict) else None
        name = package.get("name") if isinstance(package, dict) else None
        if not isinstance(name, str) or not name.strip() or not _is_text(name):
            raise FormatError("it does not say which packages it is about", where="affected")
        names.append(canonical_name(name.strip()[:_LONGEST_NAME]))
    return _id(record.get("id"), "id"), tuple(dict.fromkeys(names))


def is_name(text: object) -> bool:
    """Say whether something can be the name of an advisory: short, and safe to print and to write into a policy."""
    return isinstance(text, str) and bool(_ID.match(text))


def worst(found: list[Severity]) -> Severity | None:
    """Return the worst severity of some, or `None` where there is none."""
    return max(found, key=_ORDER.index, default=None)


def _json(data: bytes) -> dict[str, Any]:
    if len(data) > LARGEST:
        raise FormatError(f"it is larger than {LARGEST >> 20} MB")
    try:
        record = json.loads(data, object_pairs_hook=_members)
    except RecursionError:
        raise FormatError("it is nested too deeply") from None
    except ValueError as error:  # also bytes that are no UTF-8, and integers without end
        raise FormatError(f"it is not JSON: {error}") from None
    if not isinstance(record, dict):
        raise FormatError("it is not a JSON object")
    return record


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object; where a name comes twice, readers would differ about what it says."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise FormatError("it has the same key twice")
    return members


def _affected(entries: list[Any]) -> Iterator[Affected]:
    for index, entry in enumerate(entries):
        where = f"affected[{index}]"
        if not isinstance(entry, dict):
            raise FormatError("it is not a JSON object", where=where)
        package = _optional(entry, "package", dict, {})
        if not package:  # ranges of a repository, without a package
            continue
        ecosystem = package.get("ecosystem")
        if not isinstance(ecosystem, str):
            raise FormatError("it does not say of which ecosystem", where=f"{where}.package")
        if ecosystem.partition(":")[0].strip().lower() == "pypi":
            yield _about(entry, package.get("name"), where)


def _about(entry: dict[str, Any], name: Any, where: str) -> Affected:
    if not isinstance(name, str) or not name.strip() or len(name) > _LONGEST_NAME or not _is_text(name):
        raise FormatError("it has no name of a package", where=f"{where}.package")
    listed = [_version(version, f"{where}.versions") for version in _list(entry, "versions")]
    found, fixed = list[Interval](), list[str]()
    for number, events in enumerate(_ranges(entry, where)):
        if not events:
            raise FormatError("it is a range without events", where=f"{where}.ranges[{number}]")
        found += intervals(events)
        fixed += [version for kind, version in events if kind == "fixed"]
    known = Affected(
        name=canonical_name(name.strip()),
        versions=tuple(sorted({key(version) for version in listed})),
        intervals=tuple(dict.fromkeys(found)),
    )
    return replace(known, fixed=tuple(version for version in dict.fromkeys(fixed) if not known.covers(version)))


def _ranges(entry: dict[str, Any], where: str) -> Iterator[list[tuple[str, str]]]:
    """Yield the events of each range; those of repositories say nothing about versions of packages."""
    for number, found in enumerate(_list(entry, "ranges")):
        kind = found.get("type") if isinstance(found, dict) else None
        if kind == "GIT":
            continue
        if kind not in _RANGES:
            raise FormatError("it is a range of a type that is not known", where=f"{where}.ranges[{number}]")
        yield [pair for event in _list(found, "events") for pair in _events(event, f"{where}.ranges[{number}]")]


def _events(event: Any, where: str) -> Iterator[tuple[str, str]]:
    if not isinstance(event, dict) or not event or not _EVENTS.issuperset(event):
        raise FormatError("it has an event that is not known", where=where)
    for kind, version in event.items():
        yield kind, _version(version, where)


def _version(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST or not _is_text(value):
        raise FormatError("it has a version that is none", where=where)
    return value.strip()


def _severity(record: dict[str, Any], affected: list[Any]) -> Severity | None:
    """Return what the vectors say, or else what the database says in a word."""
    entries = [record, *(entry for entry in affected if isinstance(entry, dict))]
    found = [severity for entry in entries for severity in _from_vectors(entry)]
    return worst(found) or worst([severity for entry in entries for severity in _from_words(entry)])


def _from_vectors(entry: dict[str, Any]) -> Iterator[Severity]:
    severities = entry.get("severity")
    for row in severities if isinstance(severities, list) else []:
        score = row.get("score") if isinstance(row, dict) else None
        if isinstance(score, str) and str(row.get("type", "")).startswith("CVSS_V"):
            try:
                yield cvss.severity(score)
            except FormatError:  # the other sources are asked, and without any it counts as the worst
                continue


def _from_words(entry: dict[str, Any]) -> Iterator[Severity]:
    own = entry.get("database_specific")
    word = own.get("severity") if isinstance(own, dict) else None
    if isinstance(word, str) and word.strip().upper() in _WORDS:
        yield _WORDS[word.strip().upper()]


def _summary(record: dict[str, Any]) -> str:
    for name in ("summary", "details"):
        text = record.get(name)
        if isinstance(text, str) and text.strip():
            line = text.strip()[: 4 * _LONGEST_SUMMARY].splitlines()[0].strip()
            line = line.encode("utf-8", "replace").decode()  # halves of surrogate pairs cannot be stored
            return line if len(line) <= _LONGEST_SUMMARY else f"{line[: _LONGEST_SUMMARY - 1]}…"
    return ""


def _aliases(record: dict[str, Any]) -> tuple[str, ...]:
    found = _list(record, "aliases")
    if len(found) > _MOST_ALIASES:
        raise FormatError("it has too many aliases", where="aliases")
    # One that is no name is left out: without it, one thing may be reported twice.
    names = {alias for alias in found if is_name(alias)}
    return tuple(sorted(names - {record.get("id")}))


def _id(value: Any, where: str) -> str:
    if not is_name(value):
        raise FormatError("it is not the name of an advisory", where=where)
    return str(value)


def _withdrawn(value: Any) -> bool:
    """Say whether a record is withdrawn. It takes a real time: what is not understood must not switch a record off."""
    if value is None:
        return False
    found = _time(value)
    if found is None or found.year < _FIRST_YEAR:
        raise FormatError("it is not a time", where="withdrawn")
    return True


def _time(value: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
        return found and (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):  # there is a real one that was modified on "1-01-01"
        return None


def _is_text(value: str) -> bool:
    """Whether it has no halves of surrogate pairs, which JSON can spell and nothing can store."""
    return value.isascii() or not any("\ud800" <= char <= "\udfff" for char in value)


def _list(record: dict[str, Any], name: str) -> list[Any]:
    found = record.get(name)
    if found is None:
        return []
    if not isinstance(found, list):
        raise FormatError("it is not a list", where=name)
    return found


def _optional(record: dict[str, Any], name: str, kind: type, default: Any) -> Any:
    found = record.get(name)
    if found is None:
        return default
    if not isinstance(found, kind):
        raise FormatError("it is of the wrong type", where=name)
    return found
