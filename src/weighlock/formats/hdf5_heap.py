"""Where HDF5 files keep what does not fit into headers: B-trees, local, global and fractal heaps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.errors import FormatError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.formats.hdf5_header import Reader

_DEEPEST = 32


def symbol_table(reader: Reader, tree: int, heap: int) -> Iterator[tuple[bytes, int, bytes | None]]:
    """Return the members of an old group: name, address of the header, and for a soft link what it leads to.

    Source:
        HDF5 File Format Specification 3.0, III.A.1, III.B to III.D.
    """
    head = reader.at(heap, 8 + 2 * reader.lengths + reader.offsets)
    if head[:4] != b"HEAP":
        raise FormatError("a local heap of an HDF5 file has no signature")
    fields = reader.fields(head, 8)
    size = fields.length()
    fields.length()
    names = reader.at(fields.address(), size)
    for node in _nodes(reader, tree, set(), 0):
        yield from _symbols(reader, node, names)


def _nodes(reader: Reader, address: int, seen: set[int], depth: int) -> Iterator[int]:
    if address in seen or depth > _DEEPEST:
        raise FormatError("a tree of an HDF5 file leads back into itself")
    seen.add(address)
    size = 8 + 2 * reader.offsets
    head = reader.fields(reader.at(address, size))
    if head.take(4) != b"TREE" or head.number(1) != 0:
        raise FormatError("a tree of an HDF5 group has no signature")
    level, used = head.number(1), head.number(2)
    fields = reader.fields(reader.at(address + size, used * (reader.lengths + reader.offsets)))
    for _ in range(used):
        fields.length()
        child = fields.address()
        if level:
            yield from _nodes(reader, child, seen, depth + 1)
        elif child in seen:
            raise FormatError("a tree of an HDF5 file leads back into itself")
        else:
            seen.add(child)
            yield child


def _symbols(reader: Reader, address: int, names: bytes) -> Iterator[tuple[bytes, int, bytes | None]]:
    head = reader.fields(reader.at(address, 8))
    if head.take(4) != b"SNOD":
        raise FormatError("a symbol table of an HDF5 file has no signature")
    head.take(2)
    count = head.number(2)
    fields = reader.fields(reader.at(address + 8, count * (2 * reader.offsets + 24)))
    for _ in range(count):
        name = reader.fields(names, fields.address()).text()
        header = fields.address()
        kind = fields.number(4)
        fields.take(4)
        scratch = fields.take(16)
        target = reader.fields(names, int.from_bytes(scratch[:4], "little")).text() if kind == 2 else None
        yield name, header, target


def global_object(reader: Reader, address: int, index: int) -> bytes:
    """Return an object of a global heap, where texts of variable length stand.

    Source:
        HDF5 File Format Specification 3.0, III.E.
    """
    for number, data in global_objects(reader, address):
        if number == index:
            return data
    raise FormatError("an object of a global heap of an HDF5 file does not exist")


def global_objects(reader: Reader, address: int) -> Iterator[tuple[int, bytes]]:
    """Return all objects of the global heap at an address with their numbers."""
    head = reader.fields(reader.at(address, 8 + reader.lengths))
    if head.take(4) != b"GCOL":
        raise FormatError("a global heap of an HDF5 file has no signature")
    head.take(4)
    size = head.length()
    fields = reader.fields(reader.at(address, size), 8 + reader.lengths)
    while fields.left >= 8 + reader.lengths:
        index = fields.number(2)
        fields.take(6)
        length = fields.length()
        if index == 0:
            return
        data = fields.take(length)
        fields.take(min(-length % 8, fields.left))
        yield index, data


class FractalHeap:
    """A heap of a new group or of many attributes.

    Args:
        reader: The file.
        address: Of the heap's header.

    Raises:
        UnsupportedError: It is filtered, or of an unknown version.

    Source:
        HDF5 File Format Specification 3.0, III.G.
    """

    def __init__(self, reader: Reader, address: int) -> None:
        self._reader = reader
        fields = reader.fields(reader.at(address, 22 + 12 * reader.lengths + 3 * reader.offsets + 4))
        if fields.take(4) != b"FRHP" or fields.number(1) != 0:
            raise FormatError("a fractal heap of an HDF5 file has no signature")
        self._id_size, filters, flags = fields.number(2), fields.number(2), fields.number(1)
        if filters:
            raise UnsupportedError("a fractal heap of an HDF5 file is compressed")
        self._checksum = 4 if flags & 2 else 0
        self._largest = fields.number(4)
        fields.take(reader.lengths + reader.offsets + reader.lengths + reader.offsets)  # huge objects, free space
        fields.take(8 * reader.lengths)  # sizes and counts
        self._width, self._start = fields.number(2), fields.length()
        self._direct, self._bits = fields.length(), fields.number(2)
        fields.number(2)
        self._root, self._rows = fields.address(), fields.number(2)
        powers = all(size and not size & (size - 1) for size in (self._width, self._start, self._direct))
        if not (powers and self._direct >= self._start and 0 < self._bits <= 64 and self._largest):
            raise FormatError("a fractal heap of an HDF5 file has no sizes")
        self._offset_size = (self._bits + 7) // 8
        # H5HFhdr.c: heap_len_size.
        self._length_size = min((self._direct.bit_length() + 6) // 8, (self._largest.bit_length() - 1) // 8 + 1)

    def get(self, identity: bytes) -> bytes:
        """Return the object that a heap ID names.

        Raises:
            UnsupportedError: It is kept outside of the heap's blocks.
        """
        kind = identity[0] >> 4 & 3
        if kind == 2 and self._id_size <= 18:  # in the ID itself
            return identity[1 : 2 + (identity[0] & 15)]
        if kind:
            raise UnsupportedError("an object of an HDF5 file is kept as a huge object")
        fields = self._reader.fields(identity, 1)
        offset = fields.number(self._offset_size)
        size = fields.number(self._length_size)
        block, start = self._block(self._root, self._rows, 0, offset, 0)
        return self._reader.at(block + offset - start, size)

    def _block(self, address: int, rows: int, start: int, offset: int, depth: int) -> tuple[int, int]:
        """Return the address of the direct block that holds an offset, and the offset of its first byte."""
        if rows == 0:
            return address, start
        if depth > _DEEPEST:
            raise FormatError("a fractal heap of an HDF5 file leads back into itself")
        reader, place = self._reader, start
        size = 5 + reader.offsets + self._offset_size
        for row in range(rows):
            length = self._start << max(0, row - 1)
            for column in range(self._width):
                if place <= offset < place + length:
                    index = size + (row * self._width + column) * reader.offsets
                    child = reader.fields(reader.at(address + index, reader.offsets)).address()
                    if length <= self._direct:
                        return child, place
                    return self._block(child, self._rows_of(length), place, offset, depth + 1)
                place += length
        raise FormatError("an offset in a fractal heap of an HDF5 file leads outside of it")

    def _rows_of(self, length: int) -> int:
        return max(1, length.bit_length() - (self._start * self._width).bit_length() + 1)


def records(reader: Reader, address: int) -> Iterator[tuple[int, bytes]]:
    """Return all records of a new B-tree, each with the type of the tree.

    Source:
        HDF5 File Format Specification 3.0, III.A.2.
    """
    fields = reader.fields(reader.at(address, 22 + reader.offsets + reader.lengths))
    if fields.take(4) != b"BTHD" or fields.number(1) != 0:
        raise FormatError("a tree of an HDF5 file has no signature")
    kind, node, size, depth = fields.number(1), fields.number(4), fields.number(2), fields.number(2)
    fields.take(2)
    root, count = fields.address(), fields.number(2)
    total = fields.length()
    if total == 0:
        return
    if depth > _DEEPEST or not size or node < size:
        raise FormatError("a tree of an HDF5 file has no sizes")
    most = (node - 10) // size  # records of a leaf
    below = most
    widths = [(0, (most.bit_length() + 7) // 8)]
    for _ in range(depth):
        pointer = reader.offsets + widths[0][1] + widths[-1][0]
        inner = (node - 10 - pointer) // (size + pointer)
        below = (inner + 1) * below + inner
        widths.append(((below.bit_length() + 7) // 8, (inner.bit_length() + 7) // 8))
    found = 0
    for record in _Records(reader, size, widths).below(root, depth, count):
        found += 1
        yield kind, record
    if found != total:
        raise FormatError("a tree of an HDF5 file does not hold as many records as it says")


class _Records:
    """Reads the nodes of a new B-tree.

    Args:
        reader: The file.
        size: Bytes of a record.
        widths: For each depth, the bytes of the total number of records below a node, and of those in one.
    """

    def __init__(self, reader: Reader, size: int, widths: list[tuple[int, int]]) -> None:
        self._reader = reader
        self._size = size
        self._widths = widths

    def below(self, address: int, depth: int, count: int) -> Iterator[bytes]:
        """Return the records of a node and of all nodes below it."""
        size, pointers = self._size, count + 1 if depth else 0
        total = self._widths[depth - 1][0] if depth > 1 else 0
        width = self._reader.offsets + self._widths[0][1] + total
        data = self._reader.at(address, 6 + count * size + pointers * width)
        if data[:4] != (b"BTIN" if depth else b"BTLF"):
            raise FormatError("a node of a tree of an HDF5 file has no signature")
        for index in range(count):
            yield data[6 + index * size : 6 + (index + 1) * size]
        fields = self._reader.fields(data, 6 + count * size)
        for _ in range(pointers):
            child, children = fields.address(), fields.number(self._widths[0][1])
            fields.number(total)
            yield from self.below(child, depth - 1, children)
