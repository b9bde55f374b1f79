from __future__ import annotations

import contextlib
import io
import time
import tokenize

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weighlock.errors import FormatError, OverBudgetError
from weighlock.formats.npy import NpyHeader, dtype_item_size, parse_header
from weighlock.formats.source import BytesSource

DTYPES = [
    *"?bBhHiIlLqQefdgFDG",
    "S7", "U5", "V9", "S0", ">i4", "<f2", "M8[ns]", "m8[25us]", "M8", "M8[D]",
    [("x", "i4"), ("y", "f8", (2, 3)), ("z", [("a", "U3"), ("b", "M8[s]")])],
    np.dtype([("x", "i1"), ("y", "f8")], align=True),
    [(("title", "name"), "i4")],
]  # fmt: skip
OBJECTS = [
    "O",
    [("x", "i4"), ("y", "O")],
    [("x", [("y", "O", (2,))])],
    [("a", "V4"), ("b", [("c", "i1"), ("d", object)])],
]


REFUSALS = (ValueError, TypeError, SyntaxError, OverflowError, MemoryError, EOFError, tokenize.TokenError)


def saved(array: np.ndarray, version: tuple[int, int] | None = None) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version=version)
    return file.getvalue()


def header(data: bytes) -> NpyHeader:
    return parse_header(BytesSource(data).open())


def file_with(text: str, version: tuple[int, int] = (1, 0)) -> bytes:
    encoded = text.encode("utf-8" if version == (3, 0) else "latin1")
    return b"\x93NUMPY" + bytes(version) + len(encoded).to_bytes(2 if version == (1, 0) else 4, "little") + encoded


def described(descr: str) -> NpyHeader:
    return header(file_with(f"{{'descr': {descr}, 'fortran_order': False, 'shape': (2,)}}"))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("version", [None, (2, 0), (3, 0)])
def test_plain_arrays_have_the_size_that_numpy_writes(dtype: object, version: tuple[int, int] | None):
    array = np.zeros((3, 4), dtype=dtype)
    data = saved(array, version)
    found = header(data)
    assert not found.has_object
    assert found.item_size == array.dtype.itemsize
    assert found.shape == (3, 4)
    assert found.data_size is not None
    assert found.offset + found.data_size == len(data)


def test_fortran_order_and_scalars():
    assert header(saved(np.asfortranarray(np.zeros((3, 4))))).fortran_order
    assert header(saved(np.array(5.0))).data_size == 8
    assert header(saved(np.zeros((0, 4)))).data_size == 0


@pytest.mark.parametrize("dtype", OBJECTS, ids=str)
def test_objects_anywhere_in_the_dtype_are_seen(dtype: object):
    found = header(saved(np.zeros(2, dtype=dtype)))
    assert found.has_object
    assert found.data_size is None


@pytest.mark.parametrize(
    "descr",
    ["'|' 'O'", "'\\x4f'", "'O8'", "'object'", "'i4,O'", "'<i4\\n'", "'i\\u0664'", "'T'", "5", "None", "b'<i4'", "{}",
     "('<i4', (-1,))", "('<i4', 'x')", "[('x', '<i4', (1,), 'more')]", "['<i4']", "[('x',)]", "('<i4',)"],
)  # fmt: skip
def test_a_dtype_that_is_not_understood_counts_as_objects(descr: str):
    assert described(descr).has_object


def test_a_deeply_nested_dtype_counts_as_objects():
    descr: object = "<i4"
    for _ in range(100):
        descr = [("x", descr)]
    assert dtype_item_size(descr) is None


def test_an_impossible_shape_does_not_hide_objects():
    text = "{'descr': '|O', 'fortran_order': False, 'shape': (-5,)}"
    assert header(file_with(text)).has_object


def test_headers_of_python_2():
    found = header(file_with("{'descr': '<i4', 'fortran_order': False, 'shape': (10L, 2L), }\n"))
    assert found.shape == (10, 2)
    with pytest.raises(FormatError):
        header(file_with("{'descr': '<i4', 'fortran_order': False, 'shape': (10L, 2L), }\n", (3, 0)))


@pytest.mark.parametrize(
    "text",
    [
        "", "5", "{}", "{", "'", "\x00", " (\n 1", "{'descr': '<i4'}", "__import__('os').getpid()",
        "{'descr': '<i4', 'fortran_order': 0, 'shape': ()}",
        "{'descr': '<i4', 'fortran_order': False, 'shape': [1]}",
        "{'descr': '<i4', 'fortran_order': False, 'shape': ('a',)}",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (), 'x': 1}",
        "{'descr': open('x'), 'fortran_order': False, 'shape': ()}",
    ],
)  # fmt: skip
def test_headers_that_numpy_refuses_are_refused(text: str):
    with pytest.raises(FormatError):
        header(file_with(text))


@pytest.mark.parametrize(
    "text", ["(" * 60_000, "-" * 60_000 + "1", "[" * 150 + "]" * 150, "9" * 60_000, "1+" * 30_000 + "1"]
)
def test_headers_made_to_exhaust_the_parser_are_refused(text: str):
    with pytest.raises((FormatError, OverBudgetError)):
        header(file_with(text, (2, 0)))


def test_a_header_of_gigabytes_is_over_budget_unread():
    with pytest.raises(OverBudgetError):
        header(b"\x93NUMPY\x02\x00\xff\xff\xff\xff")


@pytest.mark.parametrize(
    "data", [b"", b"\x93NUMPY", b"\x93NUMPY\x01\x00\xff\xff{", b"\x93NUMPY\x04\x00\x00\x00", b"notnumpy"]
)
def test_what_is_no_npy_file_is_refused(data: bytes):
    with pytest.raises(FormatError):
        header(data)


def test_a_version_3_header_that_is_not_utf8_is_refused():
    with pytest.raises(FormatError, match="not text"):
        header(b"\x93NUMPY\x03\x00\x02\x00\x00\x00\xff\xfe")


@settings(max_examples=200, deadline=None)
@given(dtype=st.sampled_from(DTYPES + OBJECTS), data=st.data())
def test_mutated_headers_raise_nothing_else_and_never_hide_objects(dtype: object, data: st.DataObject):
    packed = bytearray(saved(np.zeros(2, dtype=dtype)))
    for _ in range(data.draw(st.integers(1, 3))):
        packed[data.draw(st.integers(6, 90))] = data.draw(
            st.sampled_from(b"O|<>=4'\"8,()[]{}\\ L5if") | st.integers(0, 255)
        )
    with contextlib.suppress(FormatError, OverBudgetError):
        found = header(bytes(packed))
        with contextlib.suppress(TypeError):  # what numpy refuses as a dtype is never unpickled
            real = np.lib.format.descr_to_dtype(found.descr)
            assert found.has_object or not real.hasobject
            assert found.item_size in (None, real.itemsize)
        return
    with pytest.raises(REFUSALS):
        np.load(io.BytesIO(bytes(packed)), allow_pickle=True)


@pytest.mark.parametrize("filling", [" ", "$", "\\'", "(", "1L "])
def test_a_header_made_to_take_the_square_of_its_length(filling):
    text = "{'descr': '|O', 'fortran_order': False, 'shape': (1L" + filling * (60_000 // len(filling))
    data = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()
    started = time.process_time()
    with pytest.raises((FormatError, OverBudgetError)):
        parse_header(BytesSource(data).open())
    assert time.process_time() - started < 5
