from __future__ import annotations

import json
import random
import struct

import numpy as np
import pytest
import safetensors
import safetensors.numpy
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from weighlock.errors import FormatError
from weighlock.formats.safetensors import DTYPES, Safetensors, parse
from weighlock.formats.source import BytesSource

TORCH_DTYPES = [
    torch.bool, torch.uint8, torch.int8, torch.int16, torch.uint16, torch.int32, torch.uint32, torch.int64,
    torch.uint64, torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64,
    torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz, torch.float8_e8m0fnu,
]  # fmt: skip
ONE = {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}


def file_with(header: object, data: bytes = b"\x00") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def read(data: bytes) -> Safetensors:
    return parse(BytesSource(data))


def ours(data: bytes) -> dict[str, tuple[str, list[int], bytes]] | None:
    try:
        found = read(data)
    except FormatError:
        return None
    body = data[found.data_offset :]
    return {each.name: (each.dtype, list(each.shape), body[each.start : each.end]) for each in found.tensors}


def theirs(data: bytes) -> dict[str, tuple[str, list[int], bytes]] | None:
    try:
        found = safetensors.deserialize(data)
    except safetensors.SafetensorError:
        return None
    return {name: (each["dtype"], each["shape"], bytes(each["data"])) for name, each in found}


@pytest.mark.parametrize("dtype", TORCH_DTYPES, ids=str)
def test_reads_every_dtype_of_torch(dtype: torch.dtype):
    tensors = {
        "a": torch.zeros(3, 5).to(dtype),
        "scalar": torch.zeros(()).to(dtype),
        "empty": torch.zeros(0, 4).to(dtype),
    }
    data = safetensors.torch.save(tensors, metadata={"format": "pt", "größe": "π"})
    assert ours(data) == theirs(data)
    assert ours(data) is not None
    assert read(data).metadata == {"format": "pt", "größe": "π"}


def test_reads_what_numpy_writes():
    data = safetensors.numpy.save({f"w.{n}": np.zeros((n, 2), np.float32) for n in range(50)})
    assert ours(data) == theirs(data)
    assert ours(data) is not None


def test_reads_a_file_without_tensors():
    assert read(file_with({}, b"")).tensors == ()


@pytest.mark.parametrize("dtype", DTYPES)
def test_knows_the_dtypes_of_the_library_and_their_sizes(dtype: str):
    data = file_with({"a": {"dtype": dtype, "shape": [8], "data_offsets": [0, DTYPES[dtype]]}}, bytes(DTYPES[dtype]))
    assert ours(data) == theirs(data)
    assert ours(data) is not None


@pytest.mark.parametrize(("dtype", "count"), [("F4", 1), ("F4", 3), ("F6_E2M3", 1), ("F6_E3M2", 2)])
def test_a_tensor_that_ends_within_a_byte_is_refused(dtype: str, count: int):
    size = (count * DTYPES[dtype] + 7) // 8
    data = file_with({"a": {"dtype": dtype, "shape": [count], "data_offsets": [0, size]}}, bytes(size))
    assert ours(data) is None
    assert theirs(data) is None


@pytest.mark.parametrize(
    "header",
    [
        {"a": ONE | {"dtype": "C128"}},
        {"a": ONE | {"dtype": 1}},
        {"a": ONE | {"dtype": ["U8"]}},
        {"a": ONE | {"shape": [2]}},
        {"a": ONE | {"shape": 1}},
        {"a": ONE | {"shape": [True]}},
        {"a": ONE | {"shape": [1.0]}},
        {"a": ONE | {"shape": ["1"]}},
        {"a": ONE | {"shape": [-1, -1]}},
        {"a": ONE | {"shape": [1 << 64]}},
        {"a": ONE | {"shape": [1 << 63, 2, 0]}},
        {"a": ONE | {"shape": [1 << 61]}},
        {"a": ONE | {"data_offsets": [0]}},
        {"a": ONE | {"data_offsets": [0, 1, 1]}},
        {"a": ONE | {"data_offsets": [1, 0]}},
        {"a": ONE | {"data_offsets": [0, 2]}},
        {"a": ONE | {"data_offsets": [1, 2]}},
        {"a": {"dtype": "U8", "shape": [1]}},
        {"a": 5},
        {"a": None},
        {"a": ONE, "b": ONE},
        {"a": ONE, "b": ONE | {"data_offsets": [2, 3]}},
        {"__metadata__": {"a": 1}, "a": ONE},
        {"__metadata__": [], "a": ONE},
        {"__metadata__": "x", "a": ONE},
        {},
        [ONE],
    ],
    ids=str,
)
def test_headers_that_break_a_rule_are_refused(header: object):
    assert ours(file_with(header)) is None
    assert theirs(file_with(header)) is None


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"{}x",
        b"{}\x00",
        b"{'a': 1}",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": {"dtype": "U8", "shape": [-0], "data_offsets": [0, 1]}}',
        b'{"a\\ud800": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}',
        b'{"a\xff": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}',
        b'{"a\n": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}',
        b'\xef\xbb\xbf{"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}',
        b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a": ' * 100_000,
    ],
    ids=lambda text: repr(text[:30]),
)
def test_headers_that_are_no_json_are_refused(text: bytes):
    assert ours(file_with(text)) is None
    assert theirs(file_with(text)) is None


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}}',
        b'{"__metadata__":{"a":"1","a":"2"},"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
        b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"extra":1}}',
        b'{"a":["U8",[1],[0,1]]}',
        b'{"a":{"dtype":{"U8":null},"shape":[1],"data_offsets":[0,1]}}',
        b'{"__metadata__":null,"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
        b' {"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
    ],
)
def test_what_the_library_lets_pass_but_the_format_does_not_is_refused(text: bytes):
    assert ours(file_with(text)) is None
    assert theirs(file_with(text)) is not None


@pytest.mark.parametrize("data", [b"\x00\x00", b""])
def test_trailing_and_missing_bytes_are_refused(data: bytes):
    assert ours(file_with({"a": ONE}, data)) is None


@pytest.mark.parametrize("size", [0, 1, 100_000_001, (1 << 64) - 1, 59, 61])
def test_a_wrong_header_length_is_refused(size: int):
    data = file_with({"a": ONE})
    assert ours(struct.pack("<Q", size) + data[8:]) is None


def test_mutated_headers_are_read_as_the_library_reads_them_or_refused():
    """Differential test: whatever is accepted here, the library accepts too and reads as the same tensors."""
    numbers = random.Random(20261123)
    tensors = {"a.w": np.zeros((2, 3), np.float32), "b": np.zeros(4, np.uint8), "c": np.zeros((0, 1), np.int64)}
    base = safetensors.numpy.save(tensors, metadata={"format": "np", "k": "v"})
    size = int.from_bytes(base[:8], "little")
    pieces = (
        b'0 1 24 28 [ ] { } , " : - . e null true "U8" "F32" "F4" "a": [0,0] [] \\u0041 18446744073709551616'.split()
    )
    accepted = 0
    for _ in range(6000):
        header = bytearray(base[8 : 8 + size])
        for _ in range(numbers.randint(1, 3)):
            start = numbers.randrange(len(header))
            kind = numbers.randrange(4)
            end = start + (0, 1, numbers.randint(1, 6), 1)[kind]
            header[start:end] = (numbers.choice(pieces), numbers.choice(pieces), b"", numbers.randbytes(1))[kind]
        data = file_with(bytes(header), base[8 + size :])
        mine = ours(data)
        if mine is not None:
            accepted += 1
            assert mine == theirs(data)
    assert accepted > 100


def test_shuffled_and_rewritten_headers_agree_with_the_library():
    numbers = random.Random(5)
    dtypes = list(DTYPES)
    agreed = 0
    for _ in range(3000):
        header, reached = {}, 0
        for index in range(numbers.randint(0, 5)):
            dtype = numbers.choice(dtypes)
            shape = [numbers.choice([0, 1, 2, 3, 4, 8]) for _ in range(numbers.randint(0, 3))]
            count = int(np.prod(shape, dtype=int))
            start, end = reached, reached + (count * DTYPES[dtype] + 7) // 8 + (numbers.random() < 0.03)
            start += numbers.random() < 0.03
            header[f"t{index}"] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
            reached = end
        items = list(header.items())
        numbers.shuffle(items)
        data = file_with(dict(items), bytes(reached))
        assert ours(data) == theirs(data)
        agreed += ours(data) is not None
    assert agreed > 500


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_nothing_else(data: bytes):
    ours(data)
    ours(file_with(b"{" + data))
