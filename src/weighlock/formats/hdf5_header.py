"""The superblock, the object headers and the messages of HDF5 files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.errors import FormatError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.formats.source import Budget, RandomAccess

MAGIC = b"\x89HDF\r\n\x1a\n"

DATASPACE, LINK_INFO, DATATYPE, FILL, LINK, EXTERNAL_FILES, LAYOUT = 0x01, 0x02, 0x03, 0x05, 0x06, 0x07, 0x08
FILTERS, ATTRIBUTE, CONTINUATION, SYMBOL_TABLE, ATTRIBUTE_INFO = 0x0B, 0x0C, 0x10, 0x11, 0x15

_KNOWN = frozenset(range(0x19))
_SHARED = 0x02
_LARGEST_BLOCK = 64 << 20

# What reading one structure costs of the budget for opcodes.
_COST = 32


@dataclass(frozen=True, slots=True)
class Message:
    """One message of an object header.

    Args:
        kind: Its number in the specification.
        shared: The data say where the message stands instead.
        data: Its bytes.
    """

    kind: int
    shared: bool
    data: bytes


class Reader:
    """The file with the sizes of its numbers.

    Args:
        source: The file.
        base: Where the addresses begin.
        offsets: Bytes of an address.
        lengths: Bytes of a length.
        budget: Pays for every structure.
    """

    def __init__(self, source: RandomAccess, base: int, offsets: int, lengths: int, budget: Budget) -> None:
        if offsets not in {2, 4, 8} or lengths not in {2, 4, 8}:
            raise UnsupportedError("an HDF5 file has addresses of an unknown size")
        self.source = source
        self.base = base
        self.offsets = offsets
        self.lengths = lengths
        self.undefined = (1 << 8 * offsets) - 1
        self._budget = budget

    def at(self, address: int, size: int) -> bytes:
        """Return the bytes at an address.

        Raises:
            FormatError: They are not all there.
        """
        self._budget.spend("opcodes", _COST)
        if size > _LARGEST_BLOCK:
            raise UnsupportedError("a structure of an HDF5 file is larger than 64 MiB")
        self._budget.spend("inflated", size)
        data = self.source.read_at(self.base + address, size)
        if address == self.undefined or len(data) < size:
            raise FormatError("an address in an HDF5 file leads outside of it")
        return data

    def fields(self, data: bytes, start: int = 0) -> Fields:
        """Return a cursor over bytes."""
        return Fields(self, data, start)


class Fields:
    """Reads numbers one after the other."""

    def __init__(self, reader: Reader, data: bytes, start: int = 0) -> None:
        self._reader = reader
        self.data = data
        self.offset = start

    def take(self, size: int) -> bytes:
        """Return the next bytes.

        Raises:
            FormatError: There are not so many.
        """
        part = self.data[self.offset : self.offset + size]
        if len(part) < size or size < 0:
            raise FormatError("a structure of an HDF5 file breaks off")
        self.offset += size
        return part

    def number(self, size: int) -> int:
        """Return the next number of so many bytes."""
        return int.from_bytes(self.take(size), "little")

    def address(self) -> int:
        """Return the next address."""
        return self.number(self._reader.offsets)

    def length(self) -> int:
        """Return the next length."""
        return self.number(self._reader.lengths)

    def text(self) -> bytes:
        """Return the bytes up to the next zero byte, and pass it."""
        end = self.data.find(b"\0", self.offset)
        if end < 0:
            raise FormatError("a name in an HDF5 file has no end")
        part, self.offset = self.data[self.offset : end], end + 1
        return part

    @property
    def left(self) -> int:
        """How many bytes there are still."""
        return len(self.data) - self.offset


def superblock(source: RandomAccess, start: int, budget: Budget) -> tuple[Reader, int]:
    """Read the superblock.

    The base address that it names is passed over: the library goes by where it found the superblock, so that a file
    may have got other bytes in front of it.

    Returns:
        A reader, and the address of the header of the root group.

    Raises:
        FormatError: It breaks off.
        UnsupportedError: It is of an unknown version.

    Source:
        HDF5 File Format Specification 3.0, II.A.
    """
    head = source.read_at(start, 128)
    if len(head) < 48:
        raise FormatError("the superblock of an HDF5 file breaks off")
    version = head[8]
    if version in {0, 1}:
        reader = Reader(source, start, head[13], head[14], budget)
        fields = reader.fields(head, 24 if version == 0 else 28)
        fields.take(4 * reader.offsets)
        fields.address()  # the offset of the name of the root group
        root = fields.address()
    elif version in {2, 3}:
        reader = Reader(source, start, head[9], head[10], budget)
        fields = reader.fields(head, 12)
        fields.take(3 * reader.offsets)
        root = fields.address()
    else:
        raise UnsupportedError(f"version {version} of the HDF5 superblock is not supported")
    return reader, root


def messages(reader: Reader, address: int) -> Iterator[Message]:
    """Read the header of an object, with its continuations.

    Raises:
        FormatError: It is no header, or breaks off.
        UnsupportedError: It is of an unknown version, or holds messages of an unknown kind.

    Source:
        HDF5 File Format Specification 3.0, IV.A.
    """
    modern = reader.at(address, 4) == b"OHDR"
    blocks = [_modern(reader, address) if modern else _classic(reader, address)]
    for block, step in blocks:  # grows while it is read
        for message in _split(reader, block, step):
            if message.kind == CONTINUATION:
                fields = reader.fields(message.data)
                place, size = fields.address(), fields.length()
                data = reader.at(place, size)
                if modern:
                    if data[:4] != b"OCHK":
                        raise FormatError("a continuation of an HDF5 header has no signature")
                    data = data[4:-4]
                blocks.append((data, step))
            else:
                yield message


def _classic(reader: Reader, address: int) -> tuple[bytes, int]:
    head = reader.at(address, 16)
    if head[0] != 1:
        raise UnsupportedError(f"version {head[0]} of an HDF5 object header is not supported")
    return reader.at(address + 16, int.from_bytes(head[8:12], "little")), 0


def _modern(reader: Reader, address: int) -> tuple[bytes, int]:
    version, flags = reader.at(address + 4, 2)
    if version != 2:
        raise UnsupportedError(f"version {version} of an HDF5 object header is not supported")
    start = 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
    width = 1 << (flags & 3)
    size = int.from_bytes(reader.at(address + start, width), "little")
    return reader.at(address + start + width, size), 6 if flags & 4 else 4


def _split(reader: Reader, block: bytes, step: int) -> Iterator[Message]:
    """Cut a block into messages: with 8 bytes in front of each in old headers (step 0), with `step` in new ones."""
    fields = reader.fields(block)
    while fields.left >= (step or 8):
        if step:
            kind, size, flags = fields.number(1), fields.number(2), fields.number(1)
            fields.take(step - 4)
        else:
            kind, size, flags = fields.number(2), fields.number(2), fields.number(1)
            fields.take(3)
        data = fields.take(size)
        if kind not in _KNOWN:
            raise UnsupportedError(f"an HDF5 header holds a message of the unknown kind {kind}")
        yield Message(kind, bool(flags & _SHARED), data)
