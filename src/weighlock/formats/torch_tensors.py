"""Tensors as torch's checkpoints describe them: a view of a storage, and its bytes in the order of its items.

Source:
    ``torch/_utils.py`` (``_rebuild_tensor``), ``c10/core/TensorImpl.h`` and ``torch/storage.py``
    (``_storage_type_to_dtype_map``, ``_new_dtypes``) of PyTorch 2.13.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Literal

from weighlock.errors import FormatError, OverBudgetError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.formats.source import RandomAccess

# Bytes of one item, by the name of the data type. Complex and packed ones count as one item each, as in torch.
ITEM_BYTES = {
    "bfloat16": 2, "bits16": 2, "bits1x8": 1, "bits2x4": 1, "bits4x2": 1, "bits8": 1, "bool": 1, "complex128": 16,
    "complex32": 4, "complex64": 8, "float16": 2, "float32": 4, "float4_e2m1fn_x2": 1, "float64": 8,
    "float8_e4m3fn": 1, "float8_e4m3fnuz": 1, "float8_e5m2": 1, "float8_e5m2fnuz": 1, "float8_e8m0fnu": 1, "int1": 1,
    "int16": 2, "int2": 1, "int3": 1, "int32": 4, "int4": 1, "int5": 1, "int6": 1, "int64": 8, "int7": 1, "int8": 1,
    "qint32": 4, "qint8": 1, "quint2x4": 1, "quint4x2": 1, "quint8": 1, "uint1": 1, "uint16": 2, "uint2": 1,
    "uint3": 1, "uint32": 4, "uint4": 1, "uint5": 1, "uint6": 1, "uint64": 8, "uint7": 1, "uint8": 1,
}  # fmt: skip

STORAGE_DTYPES = {
    "BFloat16Storage": "bfloat16", "BoolStorage": "bool", "ByteStorage": "uint8", "CharStorage": "int8",
    "ComplexDoubleStorage": "complex128", "ComplexFloatStorage": "complex64", "DoubleStorage": "float64",
    "FloatStorage": "float32", "HalfStorage": "float16", "IntStorage": "int32", "LongStorage": "int64",
    "QInt32Storage": "qint32", "QInt8Storage": "qint8", "QUInt2x4Storage": "quint2x4", "QUInt4x2Storage": "quint4x2",
    "QUInt8Storage": "quint8", "ShortStorage": "int16", "UntypedStorage": "uint8",
}  # fmt: skip

_MOST_ITEMS = 1 << 62
_MOST_DIMENSIONS = 64

# What is read or made at once.
_WINDOW = 32 << 20
_STEP = 4 << 20
_Word = Literal["B", "H", "I", "Q"]
_WORDS: dict[int, _Word] = {1: "B", 2: "H", 4: "I", 8: "Q"}

# Steps of one tensor that plain Python takes in a minute or so.
_MOST_STEPS = 20_000_000

_Dimensions = tuple[tuple[int, int], ...]
"""Length and stride of each, in items."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """Memory that tensors share.

    Args:
        key: By which the checkpoint finds it.
        dtype: Of the storage, a key of `ITEM_BYTES`; a tensor may have another one.
        location: The device that it was on, such as ``cpu`` or ``cuda:0``.
        offset: Of its first byte in the source.
        size: Bytes.
    """

    key: str
    dtype: str
    location: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorView:
    """A tensor: items of a storage.

    Args:
        dtype: A key of `ITEM_BYTES`.
        shape: Its dimensions.
        stride: Of each dimension, in items; none is negative.
        offset: Of its first item from the start of the storage, in items.
        storage: The memory.
        requires_grad: As it was saved.
        is_parameter: It is a ``torch.nn.Parameter``.
    """

    dtype: str
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int
    storage: Storage
    requires_grad: bool = False
    is_parameter: bool = False

    @property
    def size(self) -> int:
        """Bytes of all its items."""
        return math.prod(self.shape) * ITEM_BYTES[self.dtype]

    @property
    def start(self) -> int:
        """Offset of its first item in the source, in bytes."""
        return self.storage.offset + self.offset * ITEM_BYTES[self.dtype]

    @property
    def is_contiguous(self) -> bool:
        """Whether its bytes lie in the storage as `iter_bytes` yields them."""
        return not self.size or _merged(self) in {(), ((math.prod(self.shape), 1),)}


def require_inside(view: TensorView) -> None:
    """Demand that a view is one that torch would make.

    Raises:
        FormatError: It is not, or it reaches beyond its storage.
    """
    if len(view.shape) != len(view.stride) or len(view.shape) > _MOST_DIMENSIONS:
        raise FormatError("a tensor has not as many strides as dimensions")
    if min((0, view.offset, *view.shape, *view.stride)) < 0:
        raise FormatError("a tensor has a negative size, stride or offset")
    count = math.prod(view.shape)
    last = view.offset + sum((length - 1) * step for length, step in zip(view.shape, view.stride, strict=True))
    if max(count, last) >= _MOST_ITEMS or math.prod(max(length, 1) for length in view.shape) >= _MOST_ITEMS:
        raise FormatError("the shape of a tensor overflows")
    if count and (last + 1) * ITEM_BYTES[view.dtype] > view.storage.size:
        raise FormatError("a tensor reaches beyond its storage")


def iter_bytes(source: RandomAccess, view: TensorView) -> Iterator[bytes | memoryview]:
    """Yield the bytes of a tensor in the order of its items (C order), little-endian.

    A contiguous tensor is read a few megabytes at a time. Of another one at most as much as it has itself is in memory,
    or a few megabytes where that is more.

    Args:
        source: That the checkpoint was read from.
        view: One of its tensors.

    Raises:
        FormatError: The source ended before the storage.
        OverBudgetError: Its items lie in too many places.
    """
    if not view.size:
        return
    if view.is_contiguous:
        for position in range(0, view.size, _STEP):
            yield _read(source, view.start + position, min(_STEP, view.size - position))
        return
    item, dimensions = ITEM_BYTES[view.dtype], _merged(view)
    if item not in _WORDS:
        # Two words each.
        dimensions = (*((length, 2 * step) for length, step in dimensions), (2, 1))
        item //= 2
    yield from _Gatherer(source, view.start, item).pieces(dimensions, 0)


def _merged(view: TensorView) -> _Dimensions:
    """Return the dimensions without those of one item, and those that lie in a row as one."""
    found: list[tuple[int, int]] = []
    for length, step in zip(view.shape, view.stride, strict=True):
        if length == 1:
            continue
        if found and found[-1][1] == length * step:
            found[-1] = (found[-1][0] * length, step)
        else:
            found.append((length, step))
    return tuple(found)


def _read(source: RandomAccess, offset: int, size: int) -> bytes:
    data = source.read_at(offset, size)
    if len(data) == size:
        return data
    parts = [data]
    while data and (size := size - len(data)):
        offset += len(data)
        data = source.read_at(offset, size)
        parts.append(data)
    if not data:
        raise FormatError("the file ended while it was read")
    return b"".join(parts)


class _Gatherer:
    """Collects items that do not lie in a row.

    Args:
        source: Where they lie.
        start: Of the first item, in bytes.
        item: Bytes of each.
    """

    def __init__(self, source: RandomAccess, start: int, item: int) -> None:
        self._source = source
        self._start = start
        self._item = item
        self._word = _WORDS[item]
        self._left = _MOST_STEPS

    def pieces(self, dimensions: _Dimensions, first: int) -> Iterator[memoryview]:
        """Yield items in order, reading as much at once as there is use for."""
        count = math.prod(length for length, _ in dimensions)
        span = _span(dimensions)
        if not dimensions or span <= max(count, _WINDOW // self._item):
            data = self._load(first, span)
            yield from self._made(data, dimensions, 0)
            return
        (length, step), rest = dimensions[0], dimensions[1:]
        rows = max(1, 1 + (_WINDOW // self._item - _span(rest)) // max(step, 1))
        for row in range(0, length, rows):
            part = min(rows, length - row)
            inner = rest if part == 1 else ((part, step), *rest)
            yield from self.pieces(inner, first + row * step)

    def _load(self, first: int, span: int) -> memoryview:
        self._spend(1)
        data = bytearray(span * self._item)
        for position in range(0, len(data), _STEP):
            size = min(_STEP, len(data) - position)
            data[position : position + size] = _read(self._source, self._start + first * self._item + position, size)
        return memoryview(data).cast(self._word)

    def _made(self, data: memoryview, dimensions: _Dimensions, first: int) -> Iterator[memoryview]:
        """Yield items out of what was read, in parts that are not too large."""
        count = math.prod(length for length, _ in dimensions)
        if count * self._item <= _WINDOW or not dimensions:
            yield self._copy(data, dimensions, first)
            return
        (length, step), rest = dimensions[0], dimensions[1:]
        rows = max(1, _WINDOW // self._item * length // count)
        for row in range(0, length, rows):
            part = min(rows, length - row)
            inner = rest if part == 1 else ((part, step), *rest)
            yield from self._made(data, inner, first + row * step)

    def _copy(self, data: memoryview, dimensions: _Dimensions, first: int) -> memoryview:
        """Copy along the longest dimension, which the interpreter does at once, step by step along the others."""
        if not dimensions:
            return data[first : first + 1].cast("B")
        lengths = [length for length, _ in dimensions]
        made = memoryview(bytearray(math.prod(lengths) * self._item))
        out = made.cast(self._word)
        longest = lengths.index(max(lengths))
        places = [math.prod(lengths[index + 1 :]) for index in range(len(lengths))]
        length, step, place = lengths[longest], dimensions[longest][1], places[longest]
        others = [
            [(index * dimensions[number][1], index * places[number]) for index in range(each)]
            for number, each in enumerate(lengths)
            if number != longest
        ]
        self._spend(len(out) // length)
        for choice in product(*others):
            source = first + sum(each[0] for each in choice)
            target = sum(each[1] for each in choice)
            if step:
                items = data[source : source + (length - 1) * step + 1 : step]
            else:
                items = memoryview(bytes(data[source : source + 1]) * length).cast(self._word)
            out[target : target + (length - 1) * place + 1 : place] = items
        return made

    def _spend(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise OverBudgetError("the items of a tensor lie in too many places")


def _span(dimensions: _Dimensions) -> int:
    """Return how many items lie from the first one to the last one."""
    return 1 + sum((length - 1) * step for length, step in dimensions)
