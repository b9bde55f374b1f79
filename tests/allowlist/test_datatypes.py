"""Forged data types: each of these states would turn bytes of the file into pointers, or read behind an item."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from tests.corpus import opcodes as op
from weighlock.finding import Outcome
from weighlock.formats.source import BytesSource
from weighlock.inspector import inspect

DTYPE = op.glob("numpy", "dtype")
ARRAY = op.glob("numpy", "ndarray")
RECONSTRUCT = op.glob("numpy.core.multiarray", "_reconstruct")
PLAIN, OBJECTS = 0, 27
SMALL = op.integer


def dtype(code, copy=op.TRUE):
    return op.call(DTYPE, op.text(code), op.FALSE, copy)


def state(order="|", *, base=op.NONE, names=op.NONE, fields=op.NONE, size=-1, flags=PLAIN):
    parts = [op.integer(3), op.text(order), base, names, fields, op.integer(size), op.integer(1), op.integer(flags)]
    return op.tup(*parts) + op.BUILD


def struct(fields, size, flags=PLAIN, names=None):
    names = names or list(fields)
    return dtype(f"V{size}") + state(
        names=op.tup(*map(op.text, names)),
        fields=op.mapping(**{name: op.tup(part, op.integer(offset)) for name, (part, offset) in fields.items()}),
        size=size,
        flags=flags,
    )


INT = dtype("i8") + state("<")
OBJECT = dtype("O8") + state(flags=63)


def array(kind, data):
    empty = op.call(RECONSTRUCT, ARRAY, op.tup(op.integer(0)), op.binbytes(b"b"))
    return empty + op.tup(op.integer(1), op.tup(op.integer(1)), kind, op.FALSE, data) + op.BUILD


def outcome(*parts):
    return inspect(BytesSource(op.stream(*parts))).outcome


HONEST = {
    "integers": array(INT, op.binbytes(bytes(8))),
    "objects": array(OBJECT, op.array(op.NONE)),
    "records": array(struct({"a": (INT, 0), "b": (INT, 8)}, 16), op.binbytes(bytes(16))),
    "records-with-objects": array(struct({"a": (INT, 0), "b": (OBJECT, 8)}, 16, OBJECTS), op.array(op.NONE)),
    "union": array(struct({"a": (INT, 0), "b": (INT, 0)}, 8), op.binbytes(bytes(8))),
    "subarray": array(dtype("V16") + state(base=op.tup(INT, op.tup(op.integer(2))), size=16), op.binbytes(bytes(16))),
}


@pytest.mark.parametrize("stream", HONEST.values(), ids=HONEST)
def test_what_numpy_writes_is_data(stream):
    assert outcome(stream) is Outcome.DATA_ONLY


ROWS = struct({"a": (INT, 0)}, 8)
FORGED = {
    "flags-hide-objects": struct({"a": (OBJECT, 0)}, 8, PLAIN),
    "flags-invent-objects": dtype("V8") + state(size=8, flags=OBJECTS),
    "objects-without-the-interpreter-lock": struct({"a": (OBJECT, 0)}, 8, 0x3),
    "raw-memory-for-objects": array(OBJECT, op.binbytes(bytes(8))),
    "raw-memory-for-records-with-objects": array(struct({"a": (OBJECT, 0)}, 8, OBJECTS), op.binbytes(bytes(8))),
    "number-over-an-object": struct({"a": (OBJECT, 0), "b": (INT, 0)}, 8, OBJECTS),
    "number-over-half-an-object": struct({"a": (INT, 4), "b": (OBJECT, 8)}, 16, OBJECTS),
    "object-over-a-number": struct({"b": (INT, 0), "a": (OBJECT, 4)}, 16, OBJECTS),
    "field-behind-the-item": struct({"a": (INT, 8)}, 8),
    "field-before-the-item": struct({"a": (INT, -8)}, 8),
    "object-of-four-bytes-at-the-end": struct({"a": (dtype("O4") + state(flags=63), 4)}, 8, OBJECTS),
    "name-without-a-field": struct({"a": (INT, 0)}, 8, names=["a", "b"]),
    "subarray-larger-than-the-item": dtype("V8") + state(base=op.tup(INT, op.tup(op.integer(1 << 20))), size=8),
    "subarray-of-hidden-objects": dtype("V8") + state(base=op.tup(OBJECT, op.tup(op.integer(1))), size=8),
    "subarray-with-a-negative-length": dtype("V8") + state(base=op.tup(INT, op.tup(op.integer(-1))), size=8),
    "fields-of-a-number": dtype("i8")
    + state(names=op.tup(op.text("a")), fields=op.mapping(a=op.tup(INT, op.integer(0)))),
    "size-of-a-string-type": dtype("S4") + state(size=400),
    "the-data-type-that-everybody-shares": dtype("i8", copy=op.FALSE) + state(">"),
    "python-class-that-is-an-object": struct({"a": (op.call(DTYPE, op.glob("builtins", "list")), 0)}, 8),
    "two-states": dtype("V8")
    + state(size=8)
    + state(names=op.tup(op.text("a")), fields=op.mapping(a=op.tup(OBJECT, op.integer(0))), size=8, flags=OBJECTS),
    "changed-after-use": dtype("V8")
    + op.put(0)
    + state(size=8)
    + op.POP
    + array(op.get(0), op.binbytes(bytes(8)))
    + op.POP
    + op.get(0)
    + state(names=op.tup(op.text("a")), fields=op.mapping(a=op.tup(OBJECT, op.integer(0))), size=8, flags=OBJECTS),
    "used-before-its-state": dtype("V8")
    + op.put(0)
    + op.POP
    + array(op.get(0), op.binbytes(bytes(8)))
    + op.POP
    + op.get(0)
    + state(names=op.tup(op.text("a")), fields=op.mapping(a=op.tup(OBJECT, op.integer(0))), size=8, flags=OBJECTS),
    "field-replaced-afterwards": dtype("V8")
    + state(names=op.tup(op.text("a")), fields=op.mapping(a=op.tup(INT, op.integer(0))) + op.put(0), size=8)
    + op.POP
    + op.get(0)
    + op.text("a")
    + op.tup(OBJECT, op.integer(0))
    + op.SETITEM,
    "run-hides-what-is-a-key": dtype("V8")
    + state(
        names=op.tup(op.text("a")),
        fields=op.EMPTY_DICT
        + op.MARK
        + op.text("a")
        + op.integer(1) * 65
        + op.tup(OBJECT, op.integer(0))
        + op.SETITEMS,
        size=8,
    ),
    "comma-separated-code": op.call(DTYPE, op.text("i8,O"), op.FALSE, op.TRUE),
    "array-without-reconstruct": op.call(ARRAY, op.tup(op.integer(8))),
    "file-mapped-into-memory": op.call(op.glob("numpy", "memmap"), op.text("/etc/hostname")),
}


@pytest.mark.parametrize("stream", FORGED.values(), ids=FORGED)
def test_a_forged_data_type_is_refused(stream):
    assert outcome(stream) is Outcome.REFUSED


@pytest.mark.parametrize(
    "code",
    [
        *"?bBhHiIlLqQefdgFDG",
        "S7", "U5", "V9", "O", ">i4", "M8[ns]", "m8[25us]",
        [("x", "i4"), ("y", "f8", (2, 3)), ("z", [("a", "U3"), ("b", "M8[s]")])],
        [("x", "i4"), ("y", "O"), ("z", [("a", "O")])],
        [(("title", "name"), "i4")],
        {"names": ["a", "b"], "formats": ["u1", "i8"], "offsets": [0, 8], "itemsize": 16},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_arrays_of_real_data_types_are_data(code, protocol):
    data = pickle.dumps({"array": np.zeros(3, code), "dtype": np.dtype(code), "scalar": np.zeros(1, code)[0]}, protocol)
    assert inspect(BytesSource(data)).outcome is Outcome.DATA_ONLY


def test_a_subclass_of_array_needs_approval_by_its_name():
    stream = op.call(RECONSTRUCT, op.glob("lab.arrays", "Image"), op.tup(op.integer(0)), op.binbytes(b"b"))
    inspection = inspect(BytesSource(op.stream(stream)))
    assert (inspection.outcome, inspection.needs) == (Outcome.NEEDS_APPROVAL, ("lab.arrays.Image",))
