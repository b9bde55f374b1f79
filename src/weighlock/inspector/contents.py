"""The content of a wheel's members: each is unpacked once, and every reader is given it.

A reader is a function that is called with a member, its content and the budget, and yields findings; most run the
checks of packages on a structure that they make of the content. To add one, add it to `READERS`. Content of up to
`AT_ONCE` bytes comes whole; of a larger member `data` is the beginning of that length, so that a reader which needs all
of it has to say that it could not look, or to open the member again.
"""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING, NamedTuple

from weighlock import checks
from weighlock.errors import FormatError, OverBudgetError, UnsupportedError
from weighlock.finding import Finding, Location, Outcome, Severity
from weighlock.formats.record import STRONG
from weighlock.formats.wheel import Content, Recorded
from weighlock.inspector.code_members import read_code
from weighlock.inspector.packaged_models import models

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from weighlock.formats.record import Row
    from weighlock.formats.source import Budget
    from weighlock.formats.wheel import Member, Wheel

    Reader = Callable[[Content, Budget], Iterator[Finding]]

AT_ONCE = 32 << 20
"""Members of up to so many bytes are held in memory as a whole."""

_STEP = 1 << 20


class _Unpacked(NamedTuple):
    """What came out of a member."""

    data: bytes
    size: int
    digest: bytes


def read_members(wheel: Wheel, members: Iterable[Member], budget: Budget) -> Iterator[Finding]:
    """Unpack members, one after the other, and yield what all readers find in them.

    Args:
        wheel: That they belong to.
        members: Which of them.
        budget: Pays for what is unpacked.
    """
    rows = wheel.record.rows if wheel.record is not None else {}
    for member in members:
        row = rows.get(member.name)
        try:
            unpacked = _unpack(member, row, budget)
        except (FormatError, OverBudgetError, UnsupportedError) as error:
            yield _unreadable(member, error.message)
            if isinstance(error, OverBudgetError):
                return  # nothing of the rest can be read either, and one finding says so
            continue
        if row is not None:
            recorded = Recorded(member=member, row=row, size=unpacked.size, digest=unpacked.digest)
            yield from checks.run(recorded, checks.PACKAGES)
        content = Content(wheel=wheel, member=member, data=unpacked.data)
        for reader in READERS:
            yield from reader(content, budget)


def _unpack(member: Member, row: Row | None, budget: Budget) -> _Unpacked:
    """Read a member to its end; only as much of a large one is kept as readers are given."""
    algorithm = row.algorithm if row is not None and row.algorithm in STRONG else ""
    if member.size <= AT_ONCE:
        data = member.read(budget, AT_ONCE)
        return _Unpacked(data, len(data), hashlib.new(algorithm, data).digest() if algorithm else b"")
    hasher = hashlib.new(algorithm) if algorithm else None
    stream = member.open(budget).open()
    kept, size, crc = bytearray(), 0, 0
    while part := stream.read(_STEP):
        size += len(part)
        crc = zlib.crc32(part, crc)
        if hasher is not None:
            hasher.update(part)
        if len(kept) < AT_ONCE:
            kept += part
    if size != member.size or crc != member.crc:
        raise FormatError("the zip entry has another size or checksum than the directory says")
    return _Unpacked(bytes(kept[:AT_ONCE]), size, hasher.digest() if hasher is not None else b"")


def _unreadable(member: Member, why: str) -> Finding:
    return Finding(
        check="unverifiable",
        severity=Severity.HIGH,
        message=f"its content cannot be read: {why}",
        location=Location(members=(member.name,)),
        outcome=Outcome.UNVERIFIABLE,
    )


READERS: tuple[Reader, ...] = (read_code, models)
"""Everything that looks into the content of members."""
