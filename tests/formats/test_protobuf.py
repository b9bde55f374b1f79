"""The wire format of Protocol Buffers: what is passed over fast is what is passed over at all."""

from __future__ import annotations

import random

import pytest

from weighlock.errors import FormatError, UnsupportedError
from weighlock.formats import onnx, protobuf
from weighlock.formats.source import Budget, BytesSource

ALPHABETS = (bytes(range(256)), b"\x08\x80\x88\xff\x12\x01\x00\x0d\x09\x8d\x89\x92\x02\x0b\x0c", b"\x08\x10\x12\x02a:")


def inner(data: bytes, *, numbers: bool) -> tuple[list[tuple[int, bytes]], str]:
    found = []
    try:
        for number, value in protobuf.fields(memoryview(data), Budget(), numbers=numbers):
            if not isinstance(value, int):
                found.append((number, bytes(value)))
    except (FormatError, UnsupportedError) as error:
        return found, str(error)
    return found, ""


def test_whoever_needs_no_numbers_sees_the_same_fields_and_the_same_errors() -> None:
    chance = random.Random(4)
    for _ in range(4000):
        data = bytes(chance.choices(chance.choice(ALPHABETS), k=chance.randrange(60)))
        assert inner(data, numbers=False) == inner(data, numbers=True), data


@pytest.mark.parametrize("letter", [b"a", b"h", b"m", b"x", b"\x88\x01\xff\xff\x01"])
def test_a_text_of_one_letter_costs_next_to_nothing_to_be_no_model(letter: bytes) -> None:
    budget = Budget()
    assert not onnx.looks_like_model(BytesSource(b"---" + letter * (2_000_000 // len(letter))), budget)
    assert Budget().opcodes - budget.opcodes < 100_000


def test_a_model_behind_any_number_of_numbers_is_still_found() -> None:
    node = b"\x22\x03Bad"
    graph = b"\x0a" + bytes([len(node)]) + node
    model = b"\x3a" + bytes([len(graph)]) + graph
    for size in (0, 1, 19, 20, 21, 65_535, 65_536, 1_100_001):
        for field in (b"\x08\x01", b"\x0d\x08\x08\x08\x08", b"\x88\x01\x81\x00"):
            data = field * (size // len(field)) + model + field * 3
            assert onnx.looks_like_model(BytesSource(data), Budget()), (size, field)
