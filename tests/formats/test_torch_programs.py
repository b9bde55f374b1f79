"""Programs of torch, rows of archives and flatbuffers made of hostile bytes: an answer or a FormatError, always."""

from __future__ import annotations

import random
import struct

import pytest

from tests.corpus.torch_files import executorch, exported, package, torchscript
from tests.vectors.build import state_dict
from weighlock.errors import FormatError, OverBudgetError
from weighlock.formats import executorch as executorch_format
from weighlock.formats import zip_row
from weighlock.formats.source import Budget, BytesSource
from weighlock.formats.torch_export import is_arithmetic
from weighlock.formats.torch_program import kinds_of
from weighlock.inspector import inspect


@pytest.mark.parametrize("made", [executorch(delegate="X"), exported(), torchscript(), package({"a.py": b""})])
def test_mutated_bytes_are_judged_and_never_crash(made):
    chance = random.Random(7)
    for _ in range(60):
        data = bytearray(made)
        for _ in range(chance.randrange(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        inspect(BytesSource(bytes(data[: chance.randrange(8, len(data) + 1)])))


def test_a_broken_flatbuffer_is_unverifiable():
    for data in (b"\xff\xff\xff\xffET12" + bytes(64), executorch()[:24], struct.pack("<I", 8) + b"ET12" + b"\xff" * 40):
        assert str(inspect(BytesSource(data)).outcome) == "unverifiable"


def test_a_vector_that_promises_too_many_tables_is_refused_at_once():
    data = bytearray(executorch())
    place = data.index(struct.pack("<I", 1))
    data[place : place + 4] = b"\xff\xff\xff\x7f"
    with pytest.raises(FormatError):
        executorch_format.parse(BytesSource(bytes(data)))


@pytest.mark.parametrize("text", ["s0", "-1", "Max(1, s0)", "2.5*s0", "1e3", "s0 >= 2", "Mod(FloorDiv(s0, 2), 4)"])
def test_sizes_as_torch_writes_them_are_arithmetic(text):
    assert is_arithmetic(text)


@pytest.mark.parametrize(
    "text",
    ["f(1)", "Max.x", "s0.x", "(s0)(1)", "Max (1)(2)", "a[0]", "'a'", "{1}", "a; b", "lambda: 1", "__name__", "1 .real",
     "Max(1)\n(2)", "ｅval(1)", "@a", "s0\\", "eval\t(1)"],
)  # fmt: skip
def test_everything_else_is_code(text):
    assert not is_arithmetic(text)


def test_a_loader_is_found_whatever_the_case_and_the_slashes_of_the_names():
    assert kinds_of(["A/CONSTANTS.PKL", "A/Version"]) == ("torchscript",)
    assert kinds_of(["a\\data\\aotinductor\\m\\x.so"]) == ("pt2",)
    assert kinds_of(["a/.data/extern_modules", "a/.data/version", "a/archive_format"]) == ("torch-package", "pt2")
    assert kinds_of(["a/constants.pkl"]) == ()  # no loader opens it without a version
    assert kinds_of(["a/code/b.py", "a/version"]) == ()


def test_a_row_is_split_at_its_archives():
    one = state_dict()
    parts = zip_row.parse(BytesSource(one * 3), Budget())
    assert [part.read_at(0, part.size) for part in parts] == [one] * 3
    assert zip_row.parts_of(BytesSource(one), Budget()) == [(0, len(one))]


@pytest.mark.parametrize("spoil", [lambda row: row[1:], lambda row: row[:-1], lambda row: b"PK" + row, lambda row: b""])
def test_what_is_no_whole_row_is_none(spoil):
    with pytest.raises(FormatError):
        zip_row.parse(BytesSource(spoil(state_dict() * 2)), Budget())


def test_a_row_of_too_many_archives_is_over_budget():
    with pytest.raises(OverBudgetError):
        zip_row.parse(BytesSource(state_dict() * 20), Budget(entries=10))
