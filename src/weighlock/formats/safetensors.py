"""Safetensors files: a JSON header and the bytes of tensors, with every rule of the format enforced."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from weighlock.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from weighlock.formats.source import RandomAccess

# Bits of one element, from `Dtype` of the reference implementation.
DTYPES = {
    "BOOL": 8,
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "U8": 8,
    "I8": 8,
    "F8_E5M2": 8,
    "F8_E4M3": 8,
    "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8,
    "F8_E5M2FNUZ": 8,
    "I16": 16,
    "U16": 16,
    "F16": 16,
    "BF16": 16,
    "I32": 32,
    "U32": 32,
    "F32": 32,
    "C64": 64,
    "F64": 64,
    "I64": 64,
    "U64": 64,
}

TORCH_DTYPES = {
    "bfloat16": "BF16", "bool": "BOOL", "complex64": "C64", "float16": "F16", "float32": "F32", "float64": "F64",
    "float8_e4m3fn": "F8_E4M3", "float8_e4m3fnuz": "F8_E4M3FNUZ", "float8_e5m2": "F8_E5M2",
    "float8_e5m2fnuz": "F8_E5M2FNUZ", "float8_e8m0fnu": "F8_E8M0", "int16": "I16", "int32": "I32", "int64": "I64",
    "int8": "I8", "uint16": "U16", "uint32": "U32", "uint64": "U64", "uint8": "U8",
}  # fmt: skip
"""Data type of torch -> data type here: those that `safetensors.torch` writes and loads."""

_HEADER = 100_000_000  # MAX_HEADER_SIZE of the reference implementation
_WORD = 1 << 64
_METADATA = "__metadata__"
_FIELDS = {"dtype", "shape", "data_offsets"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """What the header says about a tensor.

    Args:
        name: Of the tensor.
        dtype: A key of `DTYPES`.
        shape: Its dimensions.
        start: Offset of its first byte from the start of the data.
        end: Offset behind its last byte.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Safetensors:
    """A safetensors file.

    Args:
        tensors: In the order of their data.
        metadata: Texts that the writer added.
        data_offset: Where the data begin in the file.
    """

    tensors: tuple[Tensor, ...]
    metadata: Mapping[str, str]
    data_offset: int


def parse(source: RandomAccess) -> Safetensors:
    """Read and validate the header of a safetensors file; the data of the tensors are not read.

    Stricter than the reference implementation where that lets a file mean two things: names must not be repeated, and
    nothing may be there that is not part of the format.

    Raises:
        FormatError: A rule of the format is broken.

    Source:
        https://github.com/huggingface/safetensors#format and ``Metadata::validate`` in safetensors/src/tensor.rs.
    """
    size, text = _header(source)
    try:
        header = json.loads(
            text, object_pairs_hook=_object, parse_int=_integer, parse_float=_no_number, parse_constant=_no_number
        )
    except RecursionError as error:
        raise FormatError("the safetensors header is nested too deeply") from error
    except ValueError as error:
        raise FormatError(f"the safetensors header is not JSON: {error}") from error
    metadata = _metadata(header.pop(_METADATA, {}))
    tensors = sorted((_tensor(name, value) for name, value in header.items()), key=lambda each: (each.start, each.end))
    _validate_layout(tensors, source.size - 8 - size)
    return Safetensors(tensors=tuple(tensors), metadata=metadata, data_offset=8 + size)


def _header(source: RandomAccess) -> tuple[int, str]:
    prefix = source.read_at(0, 9)
    size = int.from_bytes(prefix[:8], "little")
    if len(prefix) < 9 or prefix[8:] != b"{":
        raise FormatError("the file does not begin as a safetensors file")
    if size > _HEADER:
        raise FormatError("the safetensors header is larger than 100 MB")
    data = source.read_at(8, size)
    if len(data) < size:
        raise FormatError("the file ends in the safetensors header")
    try:
        return size, data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError("the safetensors header is not UTF-8") from error


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise FormatError("a name is repeated in the safetensors header")
    for name, value in pairs:
        _require_text(name)
        if isinstance(value, str):
            _require_text(value)
    return found


def _require_text(text: str) -> None:
    """Refuse the halves of surrogate pairs, which Python's JSON lets through and others do not."""
    if not text.isascii() and any("\ud800" <= each <= "\udfff" for each in text):
        raise FormatError("a text in the safetensors header is not Unicode")


def _integer(text: str) -> int:
    if text.startswith("-") or len(text) > 20 or int(text) >= _WORD:
        raise FormatError("a number in the safetensors header is out of range")
    return int(text)


def _no_number(_: str) -> NoReturn:
    raise FormatError("a number in the safetensors header is not an integer")


def _metadata(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise FormatError("the metadata of the safetensors header are not texts")
    return value


def _tensor(name: str, value: object) -> Tensor:
    if not isinstance(value, dict) or value.keys() != _FIELDS:
        raise FormatError("a tensor must have dtype, shape and data_offsets and nothing else", where=name)
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise FormatError("a tensor has an unknown dtype", where=name)
    if not _are_integers(shape):
        raise FormatError("the shape of a tensor is not a list of integers", where=name)
    if not _are_integers(offsets) or len(offsets) != 2:
        raise FormatError("the data_offsets of a tensor are not two integers", where=name)
    tensor = Tensor(name=name, dtype=dtype, shape=tuple(shape), start=offsets[0], end=offsets[1])
    if tensor.end - tensor.start != _size(tensor):
        raise FormatError("the data_offsets of a tensor do not fit its dtype and shape", where=name)
    return tensor


def _are_integers(value: object) -> bool:
    return isinstance(value, list) and all(type(each) is int for each in value)


def _size(tensor: Tensor) -> int:
    """Return the bytes of a tensor, multiplied step by step as a machine word would overflow."""
    bits = 1
    for factor in (*tensor.shape, DTYPES[tensor.dtype]):
        bits *= factor
        if bits >= _WORD:
            raise FormatError("the shape of a tensor overflows", where=tensor.name)
    if bits % 8:
        raise FormatError("a tensor does not end at a whole byte", where=tensor.name)
    return bits // 8


def _validate_layout(tensors: list[Tensor], size: int) -> None:
    """Demand that the tensors cover the data without holes, overlaps or rest."""
    reached = 0
    for tensor in tensors:
        if tensor.start != reached:
            raise FormatError("a tensor does not begin where the one before it ends", where=tensor.name)
        reached = tensor.end
    if reached != size:
        raise FormatError("the tensors do not cover the data of the file to its end")
