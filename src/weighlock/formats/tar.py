"""Tar archives, as torch's oldest files are ones, read at least as leniently as Python's tarfile reads them."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from weighlock.errors import FormatError, UnsupportedError
from weighlock.formats.archive import Archive
from weighlock.formats.tar_headers import BLOCK, Header, header_at, next_header

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.formats.source import Budget, RandomAccess, Source

_WINDOW = 1 << 20
_SEARCHED = 64 << 20  # behind the end mark; a genuine archive has zeros there, up to its blocking factor
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HARD_LINK, _SYMBOLIC_LINK = b"1", b"2"
_SPECIAL = (b"3", b"4", b"6")


@dataclass(frozen=True, slots=True, kw_only=True)
class TarEntry:
    """One member.

    Args:
        name: As tarfile would give it, not made safe.
        size: Bytes of the content.
        compressed_size: The same; a tar archive does not compress.
        method: Always 0, stored.
        offset: Where the data begin.
        link: Target of a link, ``None`` for other members.
        sparse: Whether the data are the parts of a file with holes.
        kind: The type flag of its header.
    """

    name: str
    size: int
    compressed_size: int
    method: int
    offset: int
    link: str | None
    sparse: bool
    kind: bytes
    _source: RandomAccess = field(repr=False, compare=False)

    def open(self, budget: Budget) -> Source:  # noqa: ARG002 - the same shape as in other archives
        """Return the content.

        Raises:
            UnsupportedError: The member is sparse.
        """
        if self.sparse:
            raise UnsupportedError("sparse members of tar archives are not supported", where=self.name)
        return self._source.slice(self.offset, self.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class TarArchive(Archive):
    """A tar archive.

    Args:
        entries: Every member in the order of the archive, links and directories included, also behind the end mark.
        anomalies: Sorted names of what a library would not write:

            - ``after-end``: a member stands behind the end mark or behind garbage
            - ``control-in-name``: a name or the target of a link holds a control character
            - ``data-after-end``: bytes other than zero stand behind the end mark
            - ``duplicate-name``: several members have one name; most readers take the last
            - ``special-file``: a member is a device or a pipe
            - ``truncated-entry``: a member reaches over the end of the file
            - ``unsafe-link``: a link leaves the folder into which the archive is unpacked
            - ``unsafe-name``: a name is absolute or has ``..`` in it
    """

    entries: tuple[TarEntry, ...]
    anomalies: tuple[str, ...]


def parse(source: RandomAccess, budget: Budget) -> TarArchive:
    """Read the headers of a tar archive; the data of its members are not read.

    Args:
        source: The archive, not compressed.
        budget: Pays for each header.

    Raises:
        FormatError: The first block is no header, so that no reader would take it for a tar archive.
        OverBudgetError: It has more headers than the budget allows.
        UnsupportedError: Headers that readers understand differently.

    Source:
        POSIX.1-2024 pax, section "ustar Interchange Format"; the GNU tar manual, appendix "Tar Internals"; CPython's
        Lib/tarfile.py.
    """
    anomalies: set[str] = set()
    entries = tuple(_entry(source, header, anomalies) for header in _members(source, budget, anomalies))
    if not entries:
        raise FormatError("the file is not a tar archive")
    _examine_names(entries, anomalies)
    return TarArchive(entries=entries, anomalies=tuple(sorted(anomalies)))


def _members(source: RandomAccess, budget: Budget, anomalies: set[str]) -> Iterator[Header]:
    """Yield members, also those that are found block by block behind the end mark."""
    first = source.read_at(0, BLOCK)
    if header_at(first) is None and first.strip(b"\x00"):
        raise FormatError("the file is not a tar archive")
    position = 0
    while (found := next_header(source, position, budget)) is not None:
        position = found.end
        yield found
    start = position
    while (position := _search(source, position, start + _SEARCHED, anomalies)) < source.size:
        found = next_header(source, position, budget)
        if found is None:
            position += BLOCK
            continue
        anomalies.add("after-end")
        position = found.end
        yield found


def _search(source: RandomAccess, position: int, end: int, anomalies: set[str]) -> int:
    """Return where the next valid header stands, or the size of the source."""
    while position < min(end, source.size):
        window = source.read_at(position, _WINDOW)
        if window.strip(b"\x00"):
            for start in range(0, len(window), BLOCK):
                block = window[start : start + BLOCK]
                if header_at(block) is not None:
                    return position + start
                if block.strip(b"\x00"):
                    anomalies.add("data-after-end")
        position += _WINDOW
    if position < source.size:
        anomalies.add("data-after-end")
    return source.size


def _entry(source: RandomAccess, header: Header, anomalies: set[str]) -> TarEntry:
    if header.data + header.stored > source.size:
        anomalies.add("truncated-entry")
    if header.kind in _SPECIAL:
        anomalies.add("special-file")
    link = header.link if header.kind in (_HARD_LINK, _SYMBOLIC_LINK) else None
    if link is not None:
        folder = posixpath.dirname(header.name) if header.kind == _SYMBOLIC_LINK else ""
        target = posixpath.normpath(posixpath.join(folder, link))
        if target.startswith("/") or target.split("/")[0] == "..":
            anomalies.add("unsafe-link")
        if _CONTROL.search(link):
            anomalies.add("control-in-name")
    return TarEntry(
        name=header.name,
        size=header.stored,
        compressed_size=header.stored,
        method=0,
        offset=header.data,
        link=link,
        sparse=header.sparse,
        kind=header.kind,
        _source=source,
    )


def _examine_names(entries: tuple[TarEntry, ...], anomalies: set[str]) -> None:
    seen: set[str] = set()
    for entry in entries:
        name = posixpath.normpath(entry.name)
        if name in seen:
            anomalies.add("duplicate-name")
        seen.add(name)
        if _CONTROL.search(entry.name):
            anomalies.add("control-in-name")
        if entry.name.startswith("/") or ".." in entry.name.split("/"):
            anomalies.add("unsafe-name")
