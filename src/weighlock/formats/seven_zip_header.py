"""The header of a 7z archive: how its streams are coded and which files lie in them.

Source:
    7zFormat.txt of the LZMA SDK 24.09.
"""

from __future__ import annotations

from dataclasses import dataclass

from weighlock.errors import FormatError, OverBudgetError, UnsupportedError

END, HEADER, ARCHIVE_PROPERTIES, ADDITIONAL_STREAMS, MAIN_STREAMS, FILES = range(6)
_PACK, _UNPACK, _SUBSTREAMS, _SIZES, _DIGESTS, _FOLDERS, _UNPACK_SIZES, _STREAM_COUNTS = range(6, 14)
_EMPTY_STREAMS, _NAMES = 14, 17
ENCODED_HEADER = 23

_CODERS = 8  # in one folder; 7-Zip itself stops at 64, and writes four at most


@dataclass(frozen=True, slots=True)
class Coder:
    """One step of unpacking: the method's number and its properties."""

    method: bytes
    properties: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """Files that were packed as one stream.

    Args:
        coders: From the content to the packed bytes; empty where the coders do not form a chain.
        offset: Of the packed bytes, counted from the end of the signature header.
        packed: Size of the packed bytes.
        size: Of the content.
        files: Sizes of the files in it.
    """

    coders: tuple[Coder, ...]
    offset: int
    packed: int
    size: int
    files: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Chain:
    coders: tuple[Coder, ...]
    inputs: int
    outputs: int
    main: int


class Reader:
    """Reads the numbers and lists of a header.

    Args:
        data: The header.
        limit: What the header may promise of anything at most.
    """

    def __init__(self, data: bytes, limit: int) -> None:
        self._data = data
        self._position = 0
        self._limit = limit

    def record(self) -> Reader:
        """Return a reader of the next record, which begins with its size."""
        return Reader(self.take(self.number()), self._limit)

    def rest(self) -> bytes:
        """Return all that is left."""
        return self.take(len(self._data) - self._position)

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes.

        Raises:
            FormatError: There are not so many.
        """
        data = self._data[self._position : self._position + size]
        if len(data) < size:
            raise FormatError("the 7z header breaks off")
        self._position += size
        return data

    def byte(self) -> int:
        """Return the next byte."""
        return self.take(1)[0]

    def number(self) -> int:
        """Return a number, whose first byte tells with its leading ones how many bytes follow."""
        first = self.byte()
        mask, value = 0x80, 0
        for index in range(8):
            if not first & mask:
                return value | (first & (mask - 1)) << (8 * index)
            value |= self.byte() << (8 * index)
            mask >>= 1
        return value

    def count(self) -> int:
        """Return a number of things that are to be kept in memory.

        Raises:
            OverBudgetError: There are more than the budget allows entries.
        """
        count = self.number()
        if count > self._limit:
            raise OverBudgetError("over the budget for entries")
        return count

    def bits(self, count: int) -> list[bool]:
        """Return a list of bits, the highest of a byte first."""
        data = self.take((count + 7) // 8)
        return [bool(data[index >> 3] & 0x80 >> (index & 7)) for index in range(count)]

    def defined(self, count: int) -> int:
        """Return how many of a list of things are defined."""
        return count if self.byte() else sum(self.bits(count))

    def expect(self, *kinds: int) -> int:
        """Return the kind of the next record, one of those that may stand here.

        Raises:
            FormatError: It is another one.
        """
        kind = self.number()
        if kind not in kinds:
            raise FormatError("the 7z header has an unknown structure")
        return kind

    def refuse_external(self) -> None:
        """Pass over the mark that says whether something stands in another stream.

        Raises:
            UnsupportedError: It does.
        """
        if self.byte():
            raise UnsupportedError("7z headers in several streams are not supported")


def folders(reader: Reader) -> list[Folder]:
    """Read how the streams of an archive are packed.

    Raises:
        FormatError: The structure is not that of a 7z header.
        OverBudgetError: There are too many streams.
        UnsupportedError: Parts of the header are kept in other streams.
    """
    offset, packed = 0, list[int]()
    chains, sizes, known = list[_Chain](), list[list[int]](), list[bool]()
    kind = reader.expect(_PACK, _UNPACK, _SUBSTREAMS, END)
    if kind == _PACK:
        offset, packed = _pack_info(reader)
        kind = reader.expect(_UNPACK, _SUBSTREAMS, END)
    if kind == _UNPACK:
        chains, sizes, known = _unpack_info(reader)
        kind = reader.expect(_SUBSTREAMS, END)
    wholes = [size[chain.main] for chain, size in zip(chains, sizes, strict=True)]
    parts: list[tuple[int, ...]] = [(size,) for size in wholes]
    if kind == _SUBSTREAMS:
        parts = _substreams(reader, wholes, known)
        reader.expect(END)
    found = []
    for chain, whole, inside in zip(chains, wholes, parts, strict=True):
        own, packed = packed[: chain.inputs], packed[chain.inputs :]
        if len(own) < chain.inputs:
            raise FormatError("the 7z header has fewer packed streams than it needs")
        coders = chain.coders if chain.inputs == 1 else ()
        found.append(Folder(coders=coders, offset=offset, packed=own[0], size=whole, files=inside))
        offset += sum(own)
    return found


def _pack_info(reader: Reader) -> tuple[int, list[int]]:
    offset, count = reader.number(), reader.count()
    sizes: list[int] = []
    while (kind := reader.expect(_SIZES, _DIGESTS, END)) != END:
        if kind == _SIZES:
            sizes = [reader.number() for _ in range(count)]
        else:
            reader.take(4 * reader.defined(count))
    return offset, sizes


def _unpack_info(reader: Reader) -> tuple[list[_Chain], list[list[int]], list[bool]]:
    reader.expect(_FOLDERS)
    count = reader.count()
    reader.refuse_external()
    chains = [_chain(reader) for _ in range(count)]
    reader.expect(_UNPACK_SIZES)
    sizes = [[reader.number() for _ in range(chain.outputs)] for chain in chains]
    known = [False] * count
    while reader.expect(_DIGESTS, END) != END:
        known = [True] * count if reader.byte() else reader.bits(count)
        reader.take(4 * sum(known))
    return chains, sizes, known


def _chain(reader: Reader) -> _Chain:
    """Read one folder: its coders, and which output feeds which input."""
    count = reader.number()
    if not 0 < count <= _CODERS:
        raise UnsupportedError("7z folders with so many coders are not supported")
    coders, inputs, outputs = [], 0, 0
    for _ in range(count):
        flags = reader.byte()
        if flags & 0xC0:
            raise UnsupportedError("7z coders with alternatives are not supported")
        method = reader.take(flags & 15)
        ins, outs = (reader.number(), reader.number()) if flags & 0x10 else (1, 1)
        if not (0 < ins <= 4 and outs == 1):
            raise UnsupportedError("7z coders with so many streams are not supported")
        properties = reader.take(reader.number()) if flags & 0x20 else b""
        coders.append(Coder(method, properties))
        inputs += ins
        outputs += outs
    pairs = {reader.number(): reader.number() for _ in range(outputs - 1)}
    packed = inputs - (outputs - 1)
    if packed < 1 or len(pairs) < outputs - 1:
        raise FormatError("the coders of a 7z folder are not connected")
    if packed > 1:
        for _ in range(packed):
            reader.number()
    unbound = [index for index in range(outputs) if index not in pairs.values()]
    if len(unbound) != 1:
        raise FormatError("the coders of a 7z folder are not connected")
    simple = inputs == outputs
    return _Chain(_in_order(coders, pairs, unbound[0]) if simple else (), packed, outputs, unbound[0])


def _in_order(coders: list[Coder], pairs: dict[int, int], main: int) -> tuple[Coder, ...]:
    order = [main]
    while order[-1] in pairs and len(order) <= len(coders):
        order.append(pairs[order[-1]])
    if sorted(order) != list(range(len(coders))):
        raise FormatError("the coders of a 7z folder are not connected")
    return tuple(coders[index] for index in order)


def _substreams(reader: Reader, wholes: list[int], known: list[bool]) -> list[tuple[int, ...]]:
    """Read the sizes of the files in each folder; `known` tells which folders have a digest already."""
    counts = [1] * len(wholes)
    kind = reader.expect(_STREAM_COUNTS, _SIZES, _DIGESTS, END)
    if kind == _STREAM_COUNTS:
        counts = [reader.count() for _ in wholes]
        kind = reader.expect(_SIZES, _DIGESTS, END)
    found = [
        _file_sizes(reader, whole, count, with_sizes=kind == _SIZES)
        for whole, count in zip(wholes, counts, strict=True)
    ]
    if kind == _SIZES:
        kind = reader.expect(_DIGESTS, END)
    if kind == _DIGESTS:
        missing = sum(count for count, digest in zip(counts, known, strict=True) if count != 1 or not digest)
        reader.take(4 * reader.defined(missing))
        reader.expect(END)
    return found


def _file_sizes(reader: Reader, whole: int, count: int, *, with_sizes: bool) -> tuple[int, ...]:
    """Read all sizes but the last, which is what is left of the folder."""
    if not count:
        return ()
    sizes = [reader.number() for _ in range(count - 1)] if with_sizes else []
    sizes.append(whole - sum(sizes))
    if len(sizes) != count or sizes[-1] < 0:
        raise FormatError("the files of a 7z folder are larger than the folder")
    return tuple(sizes)


def files(reader: Reader) -> list[tuple[str, bool]]:
    """Read names, and which files have content.

    Raises:
        FormatError: The structure is not that of a 7z header.
        OverBudgetError: There are too many files.
        UnsupportedError: The names are kept in another stream.
    """
    count = reader.count()
    names, empty = [""] * count, [False] * count
    while (kind := reader.number()) != END:
        record = reader.record()
        if kind == _EMPTY_STREAMS:
            empty = record.bits(count)
        elif kind == _NAMES:
            record.refuse_external()
            names = _names(record.rest(), count)
    return list(zip(names, (not each for each in empty), strict=True))


def _names(data: bytes, count: int) -> list[str]:
    names = data.decode("utf-16-le", "surrogatepass" if len(data) % 2 == 0 else "replace").split("\x00")
    if len(names) != count + 1 or names[-1]:
        raise FormatError("the 7z header does not have a name for each file")
    return names[:-1]


def skip_properties(reader: Reader) -> None:
    """Pass over properties of the archive."""
    while reader.number() != END:
        reader.take(reader.number())
