"""HDF5 files: groups, attributes, and what makes a reader leave the file.

The data of datasets are not read. Everything that a reader could follow to an attribute or a dataset is: where that is
not possible, parsing fails, and what is in the file is not known.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from weighlock.errors import FormatError, UnsupportedError
from weighlock.formats import hdf5_header as header
from weighlock.formats.hdf5_header import MAGIC, Fields, Message, Reader
from weighlock.formats.hdf5_heap import FractalHeap, global_object, global_objects, records, symbol_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.formats.source import Budget, RandomAccess

_DEEPEST = 256
_LARGEST_TEXT = 64 << 20
_STEP = 1 << 20

# H5Z: filters of the library itself, then those that h5py and PyTables bring, which never search for a plugin.
_FILTERS = frozenset({1, 2, 3, 4, 5, 6, 32000, 305, 307, 32001, 32026})

_ARRAY_LAYOUTS = frozenset({0, 1, 2})
_VIRTUAL = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """An attribute of a group or a dataset.

    Args:
        path: Of its object.
        name: Its name.
        texts: Its value where it is made of texts, else ``None``.
    """

    path: str
    name: str
    texts: tuple[bytes, ...] | None


@dataclass(slots=True, kw_only=True)
class Hdf5:
    """An HDF5 file.

    Args:
        start: Where its superblock stands.
        attributes: Of all its objects.
        external: What makes a reader open another file or load a plugin: a kind and a name.
    """

    start: int
    attributes: list[Attribute] = field(default_factory=list)
    external: set[tuple[str, str]] = field(default_factory=set)


def find(source: RandomAccess) -> int | None:
    """Return where the superblock stands, or ``None``: at the start, or behind 512, 1024, 2048 and so on bytes.

    Source:
        HDF5 File Format Specification 3.0, II.A.
    """
    start = 0
    while start + len(MAGIC) <= source.size:
        if source.read_at(start, len(MAGIC)) == MAGIC:
            return start
        start = 2 * start or 512
    return None


def parse(source: RandomAccess, start: int, budget: Budget) -> Hdf5:
    """Read all groups, attributes and headers of datasets.

    Args:
        source: The file.
        start: Where its superblock stands.
        budget: Pays for each structure.

    Raises:
        FormatError: A structure is broken.
        UnsupportedError: A structure is of a kind that is not read here.
        OverBudgetError: There are more of them than the budget allows.

    Source:
        HDF5 File Format Specification 3.0.
    """
    reader, root = header.superblock(source, start, budget)
    walk = _Walk(reader, Hdf5(start=start))
    pending, seen = [("/", root, 0)], set()
    while pending:
        path, address, depth = pending.pop()
        if address in seen:
            continue
        seen.add(address)
        if depth > _DEEPEST:
            raise UnsupportedError("the groups of an HDF5 file are nested too deeply")
        for name, child in walk.visit(path, address):
            pending.append((f"{path.rstrip('/')}/{name.decode('utf-8', 'replace')}", child, depth + 1))
    return walk.found


def heap_objects(source: RandomAccess, start: int, budget: Budget) -> Iterator[bytes]:
    """Return every object of every global heap, found by the signature: where arrays of variable length stand."""
    reader, _ = header.superblock(source, start, budget)
    offset, tail = 0, b""
    while part := source.read_at(offset, _STEP):
        budget.spend("inflated", len(part))
        block = tail + part
        place = block.find(b"GCOL")
        while place >= 0:
            address = offset - len(tail) + place - start
            # Four letters of other data, or a heap that breaks off, where the reader stops as well.
            with suppress(FormatError):
                yield from (data for _, data in global_objects(reader, address))
            place = block.find(b"GCOL", place + 1)
        offset += len(part)
        tail = block[-3:]


class _Walk:
    """Visits objects and gathers what they hold."""

    def __init__(self, reader: Reader, found: Hdf5) -> None:
        self._reader = reader
        self.found = found

    def visit(self, path: str, address: int) -> Iterator[tuple[bytes, int]]:
        """Gather what an object holds, and return its members with the addresses of their headers."""
        for message in header.messages(self._reader, address):
            if message.kind == header.SYMBOL_TABLE:
                yield from self._old_group(message)
            elif message.kind == header.LINK:
                yield from self._link(message.data)
            elif message.kind == header.LINK_INFO:
                yield from self._dense_links(message)
            elif message.kind == header.ATTRIBUTE:
                self._attribute(path, message)
            elif message.kind == header.ATTRIBUTE_INFO:
                self._dense_attributes(path, message)
            elif message.kind == header.EXTERNAL_FILES:
                self._external_files(message)
            elif message.kind == header.LAYOUT:
                self._layout(message)
            elif message.kind == header.FILTERS:
                self._filters(self._resolved(message))

    def _old_group(self, message: Message) -> Iterator[tuple[bytes, int]]:
        fields = self._reader.fields(message.data)
        tree, heap = fields.address(), fields.address()
        for name, child, target in symbol_table(self._reader, tree, heap):
            if target is None:
                yield name, child

    def _link(self, data: bytes) -> Iterator[tuple[bytes, int]]:
        """Read a link: a hard one leads to an object, a soft one to a name in the same file, others elsewhere."""
        fields = self._reader.fields(data)
        if fields.number(1) != 1:
            raise UnsupportedError("an HDF5 link is of an unknown version")
        flags = fields.number(1)
        kind = fields.number(1) if flags & 8 else 0
        fields.take(8 if flags & 4 else 0)
        fields.take(1 if flags & 16 else 0)
        name = fields.take(fields.number(1 << (flags & 3)))
        if kind == 0:
            yield name, fields.address()
        elif kind == 64:
            target = fields.take(fields.number(2))
            self._leaves("external link", target[1:].partition(b"\0")[0])
        elif kind != 1:
            raise UnsupportedError("an HDF5 link is of a kind that only its own program understands")

    def _dense_links(self, message: Message) -> Iterator[tuple[bytes, int]]:
        fields = self._reader.fields(message.data, 1)
        flags = fields.number(1)
        fields.take(8 if flags & 1 else 0)
        heap, tree = fields.address(), fields.address()
        for identity in self._identities(heap, tree, 5, 4):
            yield from self._link(identity)

    def _dense_attributes(self, path: str, message: Message) -> None:
        fields = self._reader.fields(message.data, 1)
        flags = fields.number(1)
        fields.take(2 if flags & 1 else 0)
        heap, tree = fields.address(), fields.address()
        for data in self._identities(heap, tree, 8, 0):
            self._attribute(path, Message(header.ATTRIBUTE, shared=False, data=data))

    def _identities(self, heap: int, tree: int, kind: int, skipped: int) -> Iterator[bytes]:
        """Return the objects of a fractal heap that the records of a tree name."""
        if heap == self._reader.undefined:
            return
        objects = FractalHeap(self._reader, heap)
        for found, record in records(self._reader, tree):
            if found != kind:
                raise UnsupportedError("a tree of an HDF5 file is of another type than its use")
            if kind == 8 and record[8] & 2:
                raise UnsupportedError("an attribute of an HDF5 file is shared")
            yield objects.get(record[skipped:])

    def _attribute(self, path: str, message: Message) -> None:
        if message.shared:
            raise UnsupportedError("an attribute of an HDF5 file is shared")
        fields = self._reader.fields(message.data)
        version, flags = fields.number(1), fields.number(1)
        if version not in {1, 2, 3}:
            raise UnsupportedError("an attribute of an HDF5 file is of an unknown version")
        sizes = [fields.number(2) for _ in range(3)]
        fields.take(1 if version == 3 else 0)
        padded = [size + -size % 8 if version == 1 else size for size in sizes]
        name = fields.take(padded[0])[: sizes[0]].partition(b"\0")[0]
        kind, space = fields.take(padded[1])[: sizes[1]], fields.take(padded[2])[: sizes[2]]
        if version > 1 and flags & 1:
            kind = self._committed(kind)
        texts = None if version > 1 and flags & 2 else self._texts(kind, space, fields)
        self.found.attributes.append(Attribute(path=path, name=name.decode("utf-8", "replace"), texts=texts))

    def _committed(self, place: bytes) -> bytes:
        """Return the datatype that a shared message refers to."""
        for message in header.messages(self._reader, self._shared(place)):
            if message.kind == header.DATATYPE and not message.shared:
                return message.data
        raise FormatError("a committed datatype of an HDF5 file is missing")

    def _shared(self, place: bytes) -> int:
        fields = self._reader.fields(place)
        version, kind = fields.number(1), fields.number(1)
        if version == 1:
            fields.take(6)
        elif version == 3 and kind == 1:
            raise UnsupportedError("a message of an HDF5 file is kept in a shared heap")
        return fields.address()

    def _resolved(self, message: Message) -> bytes:
        if not message.shared:
            return message.data
        for other in header.messages(self._reader, self._shared(message.data)):
            if other.kind == message.kind and not other.shared:
                return other.data
        raise FormatError("a shared message of an HDF5 file is missing")

    def _texts(self, kind: bytes, space: bytes, fields: Fields) -> tuple[bytes, ...] | None:
        """Return a value that is made of texts, or of bytes that could be text."""
        cursor = self._reader.fields(kind)
        what = cursor.number(1) & 15
        bits, size = cursor.number(3), cursor.number(4)
        count = self._count(space)
        if what == 3 or what == 5:  # noqa: PLR1714 - texts of fixed length, and opaque bytes
            self._require_room(count * size)
            return tuple(fields.take(size).rstrip(b"\0") for _ in range(count))
        if what == 9:
            base = kind[8] & 15 if len(kind) > 8 else None
            width = int.from_bytes(kind[12:16], "little")
            if bits & 15 == 1 or (base == 0 and width == 1):
                return tuple(self._variable(fields) for _ in range(count))
        if what == 0 and size == 1:  # numbers of one byte: an array of them can hold anything
            self._require_room(count)
            return (fields.take(count),)
        return None

    def _variable(self, fields: Fields) -> bytes:
        length, address, index = fields.number(4), fields.address(), fields.number(4)
        if not address or not length:
            return b""
        return global_object(self._reader, address, index)[:length]

    def _count(self, space: bytes) -> int:
        fields = self._reader.fields(space)
        version, rank, flags = fields.number(1), fields.number(1), fields.number(1)
        if version == 1:
            fields.take(5)
        elif version == 2:
            if fields.number(1) == 2:
                return 0
        else:
            raise UnsupportedError("a dataspace of an HDF5 file is of an unknown version")
        del flags
        count = 1
        for _ in range(rank):
            count *= fields.length()
        self._require_room(count)
        return count

    def _require_room(self, size: int) -> None:
        if size > _LARGEST_TEXT:
            raise UnsupportedError("an attribute of an HDF5 file is larger than 64 MiB")

    def _external_files(self, message: Message) -> None:
        """Read the list of files in which the data of a dataset stand instead of this one."""
        fields = self._reader.fields(self._resolved(message), 4)
        fields.take(2)
        used = fields.number(2)
        heap = self._reader.at(fields.address(), 8 + 2 * self._reader.lengths + self._reader.offsets)
        head = self._reader.fields(heap, 8)
        size = head.length()
        head.length()
        names = self._reader.at(head.address(), size)
        for _ in range(used):
            name = self._reader.fields(names, fields.length()).text()
            fields.length()
            fields.length()
            self._leaves("external file", name)
        if not used:
            self._leaves("external file", b"")

    def _layout(self, message: Message) -> None:
        data = self._resolved(message)
        if not data or data[0] not in {1, 2, 3, 4, 5} or len(data) < 3:
            raise UnsupportedError("a layout of an HDF5 dataset is of an unknown version")
        kind = data[1] if data[0] >= 3 else data[2]
        if kind == _VIRTUAL:
            self._leaves("virtual dataset", b"")
        elif kind not in _ARRAY_LAYOUTS:
            raise UnsupportedError("a layout of an HDF5 dataset is of an unknown kind")

    def _filters(self, data: bytes) -> None:
        fields = self._reader.fields(data)
        version, count = fields.number(1), fields.number(1)
        if version not in {1, 2}:
            raise UnsupportedError("the filters of an HDF5 dataset are of an unknown version")
        fields.take(6 if version == 1 else 0)
        for _ in range(count):
            number = fields.number(2)
            named = version == 1 or number >= 256
            length = fields.number(2) if named else 0
            fields.take(2)
            values = fields.number(2)
            fields.take(length + (-length % 8 if version == 1 else 0))
            fields.take(4 * values + (4 if version == 1 and values % 2 else 0))
            if number not in _FILTERS:
                self._leaves("filter", str(number).encode())

    def _leaves(self, kind: str, name: bytes) -> None:
        self.found.external.add((kind, name.decode("utf-8", "backslashreplace")))
