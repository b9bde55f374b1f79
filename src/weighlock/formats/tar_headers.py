"""Headers of tar members: ustar, pax and GNU, put together from the blocks in front of a member.

Source:
    POSIX.1-2024 pax, section "ustar Interchange Format"; the GNU tar manual, appendix "Tar Internals".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.errors import OverBudgetError, UnsupportedError

if TYPE_CHECKING:
    from weighlock.formats.source import Budget, RandomAccess

BLOCK = 512

_EXTENSION = 1 << 20  # bytes of a pax header or a long name; genuine ones have hundreds
_REGULAR = (b"0", b"\x00", b"7", b"S")
_WITHOUT_DATA = (b"1", b"2", b"3", b"4", b"5", b"6")
_GNU_NAME, _GNU_LINK, _GNU_SPARSE = b"L", b"K", b"S"
_PAX = (b"x", b"X")
_PAX_GLOBAL = b"g"
_PAX_LENGTH = re.compile(rb"([0-9]{1,10}) ")
_SPARSE_KEY = "GNU.sparse."


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What the headers in front of a member say about it.

    Args:
        name: Of the member.
        kind: The type flag.
        link: Target, where the member is a link.
        stored: Bytes of its data in the archive.
        sparse: Whether the data are the parts of a file with holes.
        data: Where the data begin.
        end: Where the next header is.
    """

    name: str
    kind: bytes
    link: str
    stored: int
    sparse: bool
    data: int
    end: int


@dataclass(frozen=True, slots=True)
class Block:
    """One header block, as it stands."""

    name: str
    size: int
    kind: bytes
    link: str
    extended: bool


def header_at(block: bytes) -> Block | None:
    """Return what a header block says, or ``None`` where its checksum does not fit.

    Only what is needed is read, so that nothing is refused here that tarfile accepts.
    """
    if len(block) < BLOCK:
        return None
    checksum, size = _number(block[148:156]), _number(block[124:136])
    if checksum is None or size is None:
        return None
    rest = block[:148] + block[156:]
    unsigned = 256 + sum(rest)
    if checksum not in (unsigned, unsigned - 256 * sum(each > 127 for each in rest)):
        return None
    kind = block[156:157]
    name, prefix = _text(block[:100]), _text(block[345:500])
    if prefix and kind not in (_GNU_NAME, _GNU_LINK, _GNU_SPARSE):
        name = f"{prefix}/{name}"
    if kind == b"\x00" and name.endswith("/"):
        kind = b"5"
    return Block(name, size, kind, _text(block[157:257]), block[482] != 0)


def _number(data: bytes) -> int | None:
    """Read a number as tarfile does: base 256 after a mark, else octal as `int` understands it."""
    if data[0] == 0x80:
        return int.from_bytes(data[1:], "big")
    if data[0] == 0xFF:
        return int.from_bytes(data[1:], "big") - (1 << 8 * (len(data) - 1))
    try:
        return int(data.split(b"\x00", 1)[0].decode("ascii").strip() or "0", 8)
    except ValueError:
        return None


def _text(data: bytes) -> str:
    return data.split(b"\x00", 1)[0].decode("utf-8", "surrogateescape")


def next_header(source: RandomAccess, position: int, budget: Budget) -> Header | None:
    """Put together the headers of the next member, or return ``None`` at the end mark and at garbage.

    Raises:
        OverBudgetError: There are too many headers, or one is too large.
        UnsupportedError: Headers that readers understand differently.
    """
    given: dict[str, str] = {}
    while (block := header_at(source.read_at(position, BLOCK))) is not None:
        budget.spend("entries", 1)
        if block.size < 0:
            raise UnsupportedError("a tar header has a negative size")
        position += BLOCK
        if block.kind not in (_GNU_NAME, _GNU_LINK, *_PAX, _PAX_GLOBAL):
            return _member(source, block, given, position)
        if block.size > _EXTENSION:
            raise OverBudgetError("a tar header is over the budget for headers")
        budget.spend("retained", block.size)
        _extend(given, block.kind, source.read_at(position, block.size))
        position += _padded(block.size)
    if given:
        raise UnsupportedError("a tar header has no member to belong to")
    return None


def _extend(given: dict[str, str], kind: bytes, data: bytes) -> None:
    """Add what an extension header says; of two that contradict, tarfile takes the first."""
    if kind == _GNU_NAME:
        given.setdefault("path", _text(data))
    elif kind == _GNU_LINK:
        given.setdefault("linkpath", _text(data))
    else:
        records = _pax_records(data)
        if kind != _PAX_GLOBAL:
            given.update(records | given)
        elif any(key in ("path", "linkpath", "size") or key.startswith(_SPARSE_KEY) for key in records):
            raise UnsupportedError("a global tar header says what readers apply differently")


def _pax_records(data: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    position = 0
    while position < len(data) and data[position]:
        match = _PAX_LENGTH.match(data, position)
        length = int(match.group(1)) if match else 0
        record = data[position : position + length]
        if match is None or len(record) < length or not record.endswith(b"\n") or match.end() >= position + length:
            raise UnsupportedError("a pax header is malformed, which readers understand differently")
        key, separator, value = data[match.end() : position + length - 1].partition(b"=")
        if not separator:
            raise UnsupportedError("a pax header is malformed, which readers understand differently")
        found[key.decode("utf-8", "surrogateescape")] = value.decode("utf-8", "surrogateescape")
        position += length
    return found


def _member(source: RandomAccess, block: Block, given: dict[str, str], position: int) -> Header:
    if block.kind == _GNU_SPARSE:
        position = _behind_sparse_maps(source, block, position)
    stored = _pax_size(given["size"]) if "size" in given else block.size
    with_data = block.kind in _REGULAR or block.kind not in _WITHOUT_DATA
    return Header(
        name=given.get(_SPARSE_KEY + "name", given.get("path", block.name)),
        kind=block.kind,
        link=given.get("linkpath", block.link),
        stored=stored if with_data else 0,
        sparse=block.kind == _GNU_SPARSE or any(key.startswith(_SPARSE_KEY) for key in given),
        data=position,
        end=position + (_padded(stored) if with_data else 0),
    )


def _pax_size(text: str) -> int:
    try:
        size = int(text)
    except ValueError:
        size = -1
    if size < 0:
        raise UnsupportedError("a pax header has a size that is no number")
    return size


def _behind_sparse_maps(source: RandomAccess, block: Block, position: int) -> int:
    extended = block.extended
    while extended:
        more = source.read_at(position, BLOCK)
        extended = len(more) == BLOCK and more[504] != 0
        position += BLOCK
    return position


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
