"""Wheels: what an installer would put where, read without unpacking anything to a disk."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from weighlock.errors import FormatError, OverBudgetError, UnsupportedError
from weighlock.formats import core_metadata, entry_points, record, zip_as_python
from weighlock.formats import zip as zip_format
from weighlock.formats.wheel_place import Place, place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVar

    from packaging.version import Version

    from weighlock.artifact import PackageFile
    from weighlock.finding import Inspection
    from weighlock.formats.source import Budget, RandomAccess, Source
    from weighlock.formats.zip import ZipEntry

    _Parsed = TypeVar("_Parsed")

_LONGEST_STARTUP = 64 << 10
_LONGEST = {"METADATA": 2 << 20, "RECORD": 32 << 20, "WHEEL": 64 << 10, "entry_points.txt": 1 << 20}
_STARTUP = re.compile(r"[^/]*\.(?:pth|start)\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member of a wheel.

    Args:
        name: As in the directory of the archive, not made safe.
        size: Bytes of its content.
        compressed_size: Bytes in the archive.
        method: Of compression, the number of the zip specification.
        mode: The mode of Unix, 0 where the archive says none.
        place: Where it is installed, or ``None`` for a folder and for a file of which no installer knows.
    """

    name: str
    size: int
    compressed_size: int
    method: int
    mode: int
    place: Place | None
    _entry: ZipEntry = field(repr=False, compare=False)

    @property
    def is_folder(self) -> bool:
        """Whether installers pass over it."""
        return self.name.endswith("/")

    def read(self, budget: Budget, most: int) -> bytes:
        """Return its content.

        Args:
            budget: Pays for it.
            most: Bytes that are read at once.

        Raises:
            FormatError: The content is damaged or not what the archive says of it.
            OverBudgetError: It is longer than that, or the budget is spent.
            UnsupportedError: The method of compression is not supported.
        """
        if self.size > most:
            raise OverBudgetError("it is longer than any honest file of its kind")
        return self._entry.read(budget)

    def open(self, budget: Budget) -> Source:
        """Return its content as a source that is unpacked while it is read, for members of any size.

        Raises:
            FormatError: No reader can open it.
            UnsupportedError: The method of compression is not supported.
        """
        return self._entry.open(budget)

    @property
    def crc(self) -> int:
        """The checksum that the archive has of its content."""
        return self._entry.crc


@dataclass(frozen=True, slots=True, kw_only=True)
class StartupFile:
    """A file that Python reads whenever it starts.

    Args:
        member: The file.
        data: Its content, or ``None`` where it is too long or damaged.
    """

    member: Member
    data: bytes | None


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """A wheel.

    Args:
        filename: Its file name.
        name: Canonical name of the project, from the file name.
        version: From the file name.
        tags: Of the file name, as text, sorted.
        members: In the order of the directory.
        anomalies: What lets the readers of the archive differ, see `weighlock.formats.zip.ZipArchive`; besides,
            ``zipfile-differs`` where Python's zipfile reads other members than we do, and ``unicode-path``.
        dist_infos: Every top folder whose name ends with ``.dist-info``; an installer takes exactly one.
        metadata: Of METADATA, or ``None`` where it is missing or broken.
        about: Of the file WHEEL, likewise.
        record: Of RECORD, likewise.
        entry_points: Of entry_points.txt.
        broken: Names in the .dist-info folder of files that could not be read, with the reason.
        startup_files: ``.pth`` and ``.start`` files that would lie where Python looks for them.
    """

    filename: str
    name: str
    version: Version
    tags: tuple[str, ...]
    members: tuple[Member, ...]
    anomalies: tuple[str, ...] = ()
    dist_infos: tuple[str, ...] = ()
    metadata: core_metadata.Headers | None = None
    about: core_metadata.Headers | None = None
    record: record.Record | None = None
    entry_points: tuple[entry_points.EntryPoint, ...] = ()
    broken: Mapping[str, str] = field(default_factory=dict)
    startup_files: tuple[StartupFile, ...] = ()

    @property
    def dist_info(self) -> str | None:
        """Name of the folder with the metadata, where there is exactly one."""
        return self.dist_infos[0] if len(self.dist_infos) == 1 else None

    @property
    def is_pure(self) -> bool:
        """Whether it says that it has no native code."""
        return self.about is not None and (self.about.first("root-is-purelib") or "").lower() == "true"

    @cached_property
    def files(self) -> tuple[Member, ...]:
        """Every member that is no folder."""
        return tuple(member for member in self.members if not member.is_folder)

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of all files."""
        return frozenset(member.name for member in self.files)

    @cached_property
    def top_levels(self) -> Mapping[str, Member]:
        """The names that can be imported, each with a file that it comes from; also folders without code."""
        found: dict[str, Member] = {}
        for member in self.files:
            if member.place is not None and (name := member.place.top_level):
                found.setdefault(name, member)
        return found


SAID = ("requires_dist", "license", "license_expression", "classifier")
"""Fields of metadata that a resolver or a check goes by, as pip's report spells them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A wheel, what it is expected to be, and what lies where it would be installed.

    Args:
        wheel: The wheel.
        expected: What was asked for, by an index or a resolver.
        owners: Distributions, by the paths of their installed files as `weighlock.formats.record.owner_key` has them.
        said: Those of `SAID` that a resolver went by; empty where nothing was said.
    """

    wheel: Wheel
    expected: PackageFile | None = None
    owners: Mapping[str, str] = field(default_factory=dict)
    said: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The content of one member, for those who look into it.

    Args:
        wheel: That it belongs to.
        member: The member.
        data: All bytes of it, or the first ones of a very large one (`is_whole`).
    """

    wheel: Wheel
    member: Member
    data: bytes

    @property
    def is_whole(self) -> bool:
        """Whether all bytes are there."""
        return len(self.data) == self.member.size


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagedModel:
    """A member that a machine-learning library or an unpickler would load.

    Args:
        member: The member.
        inspection: What the inspector of models found in it.
        is_exhausted: The budget ran out over it, so that there may be more than was found.
    """

    member: Member
    inspection: Inspection
    is_exhausted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A member beside what RECORD says about it.

    Args:
        member: The member.
        row: Of RECORD.
        size: Bytes that came out of the archive.
        digest: Of them, by the algorithm of the row; empty where that is not one to rely on.
    """

    member: Member
    row: record.Row
    size: int
    digest: bytes


def parse(source: RandomAccess, filename: str, budget: Budget) -> Wheel:
    """Read the structure of a wheel: its directory, and the files that say what it is.

    Args:
        source: All its bytes.
        filename: Which says name, version and tags.
        budget: Pays for the members and for what is unpacked.

    Raises:
        FormatError: The name is not that of a wheel, or the bytes are no zip archive.
        OverBudgetError: It has more members than the budget allows.

    Source:
        The binary distribution format of packaging.python.org (PEP 427, PEP 491);
        ``pip/_internal/operations/install/wheel.py``.
    """
    try:
        name, version, _, tags = parse_wheel_filename(filename)
    except (InvalidWheelFilename, ValueError) as error:
        raise FormatError("its name is not that of a wheel") from error
    members, anomalies = _members(source, budget)
    tops = dict.fromkeys(member.name.partition("/")[0] for member in members)
    dist_infos = tuple(top for top in tops if top.endswith(".dist-info"))
    reader = _Reader(members, dist_infos[0] if len(dist_infos) == 1 else None, budget)
    return Wheel(
        filename=filename,
        name=name,
        version=version,
        tags=tuple(sorted(map(str, tags))),
        members=members,
        anomalies=anomalies,
        dist_infos=dist_infos,
        metadata=reader.parsed("METADATA", core_metadata.parse),
        about=reader.parsed("WHEEL", core_metadata.parse),
        record=reader.parsed("RECORD", record.parse),
        entry_points=reader.parsed("entry_points.txt", entry_points.parse) or (),
        broken=reader.broken,
        startup_files=tuple(_startup_files(members, budget)),
    )


def _members(source: RandomAccess, budget: Budget) -> tuple[tuple[Member, ...], tuple[str, ...]]:
    """Return the members, and what lets readers differ about them."""
    archive = zip_format.parse(source, budget)
    anomalies = set(archive.anomalies)
    members = tuple(_member(entry) for entry in archive.entries)
    if any(entry.alias is not None and entry.alias != entry.name.encode() for entry in archive.entries):
        anomalies.add("unicode-path")
    try:
        theirs = [_as_they_see(info) for info in zip_as_python.infos(source)]
    except FormatError:
        anomalies.add("zipfile-differs")
    else:
        if theirs != [_as_we_see(member) for member in members]:
            anomalies.add("zipfile-differs")
    return members, tuple(sorted(anomalies))


def _member(entry: ZipEntry) -> Member:
    return Member(
        name=entry.name,
        size=entry.size,
        compressed_size=entry.compressed_size,
        method=entry.method,
        mode=entry.attributes >> 16,
        place=None if entry.name.endswith("/") else place_of(entry.name),
        _entry=entry,
    )


def _as_they_see(info: object) -> tuple[object, ...]:
    return tuple(getattr(info, name) for name in ("filename", "file_size", "compress_size", "compress_type", "CRC"))


def _as_we_see(member: Member) -> tuple[object, ...]:
    return (member.name, member.size, member.compressed_size, member.method, member.crc)


class _Reader:
    """Reads the files that say what a wheel is, and keeps what is wrong with them."""

    def __init__(self, members: tuple[Member, ...], dist_info: str | None, budget: Budget) -> None:
        self.broken: dict[str, str] = {}
        self._dist_info = dist_info
        self._members = {member.name: member for member in members}
        self._budget = budget

    def parsed(self, name: str, parse: Callable[[bytes], _Parsed]) -> _Parsed | None:
        """Return what a file in the .dist-info folder says, or ``None`` where it is missing or broken."""
        member = self._members.get(f"{self._dist_info}/{name}")
        if member is None:
            return None
        try:
            return parse(member.read(self._budget, _LONGEST[name]))
        except (FormatError, OverBudgetError, UnsupportedError) as error:
            self.broken[name] = error.message
            return None


def _startup_files(members: tuple[Member, ...], budget: Budget) -> list[StartupFile]:
    found = []
    for member in members:
        path = member.place.startup if member.place else None
        if path is not None and _STARTUP.match(path):
            try:
                data = member.read(budget, _LONGEST_STARTUP)
            except (FormatError, OverBudgetError, UnsupportedError):
                data = None
            found.append(StartupFile(member=member, data=data))
    return found
