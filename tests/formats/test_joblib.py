"""joblib: what joblib itself writes is read to its end, and no array in the stream hides opcodes from the judge."""

from __future__ import annotations

import io

import joblib
import numpy as np
import pytest
from sklearn.preprocessing import LabelEncoder

from tests.corpus import opcodes as op
from weighlock.finding import Outcome
from weighlock.formats.joblib import ArrayInStream
from weighlock.formats.source import BytesSource
from weighlock.inspector import inspect

EVIL = op.call(op.glob("os", "getcwd"))
DTYPE = op.call(op.glob("numpy", "dtype"), op.text("u1"), op.FALSE, op.TRUE)
OBJECTS = (
    op.call(op.glob("numpy", "dtype"), op.text("O8"), op.FALSE, op.TRUE)
    + op.tup(*[op.integer(3), op.text("|"), *[op.NONE] * 3, op.integer(-1), op.integer(-1), op.integer(63)])
    + op.BUILD
)
WRAPPER = op.glob("joblib.numpy_pickle", "NumpyArrayWrapper")
ARRAY = op.glob("numpy", "ndarray")


def state(shape=4, dtype=DTYPE, **more):
    lengths = shape if isinstance(shape, bytes) else op.tup(op.integer(shape))
    return op.mapping(subclass=ARRAY, shape=lengths, order=op.text("C"), dtype=dtype, allow_mmap=op.FALSE, **more)


def wrapper(*states, **options):
    return WRAPPER + op.EMPTY_TUPLE + op.NEWOBJ + b"".join(part + op.BUILD for part in states or [state(**options)])


def judged(*parts):
    return inspect(BytesSource(op.stream(*parts)))


def dumped(value, **options):
    file = io.BytesIO()
    joblib.dump(value, file, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    "value",
    [
        np.arange(10),
        np.zeros((3, 4), order="F"),
        np.zeros(0),
        np.array(5.0),
        np.array(["a", "bc"]),
        np.array([1, "a", None], dtype=object),
        np.array([(1, "x")], dtype=[("a", "i4"), ("b", "U3")]),
        np.zeros(3, dtype="M8[ns]"),
        np.array(["a"], dtype=np.dtypes.StringDType()),
        [np.arange(3), {"b": np.array([None]), "c": np.arange(3)}],
        {"only": np.array([None, "x"])},
        {"a": 1, "weights": {"b": np.array([np.float64(1), "a"], dtype=object)}},
        np.array([np.float64(1), np.float32(2), "x"], dtype=object),
        np.full(3, 40, dtype="u1"),
        np.full(70_000, 99, dtype="i8"),
        np.frombuffer(b"cos\nsystem\n(S'x'\ntR." * 3, dtype="u1"),
    ],
    ids=lambda value: str(getattr(value, "dtype", type(value)))[:20],
)
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_what_joblib_writes_is_data(value, protocol):
    assert inspect(BytesSource(dumped(value, protocol=protocol))).outcome is Outcome.DATA_ONLY


def test_a_payload_behind_an_array():
    assert judged(wrapper() + b"\xff\xff\xff\xff" + EVIL).outcome is Outcome.REFUSED


def test_a_payload_inside_an_array_that_pickle_load_executes():
    inspection = judged(wrapper(shape=len(EVIL) + 1) + EVIL + op.STOP)
    assert inspection.outcome is Outcome.REFUSED
    assert "os.getcwd" in inspection.imports


def test_a_payload_behind_marks_that_exhaust_the_plain_reading():
    array = op.MARK * 200_000 + EVIL + op.STOP
    assert judged(wrapper(shape=len(array)) + array).outcome is Outcome.REFUSED


def test_a_payload_inside_the_pickle_of_an_object_array():
    inner = op.proto(4) + EVIL + op.STOP
    assert judged(wrapper(dtype=OBJECTS) + inner).outcome is Outcome.REFUSED


def test_an_object_array_that_is_no_array():
    inner = op.proto(4) + op.glob("lab", "make") + op.STOP
    inspection = judged(wrapper(dtype=OBJECTS) + inner + op.EMPTY_TUPLE + op.REDUCE)
    assert inspection.needs == ("lab.make",)


def test_an_array_inside_of_a_frame():
    # joblib takes the array from behind the frame, and the payload from inside of it.
    inside = wrapper() + op.POP
    stream = op.proto(4) + op.frame(len(inside)) + inside + bytes(4) + EVIL + op.STOP
    inspection = inspect(BytesSource(stream))
    assert inspection.outcome is Outcome.REFUSED
    assert "pickle-evasion" in {finding.check for finding in inspection.findings}


FORGED = {
    "second state, so that the padding of the first one stays": WRAPPER + op.EMPTY_TUPLE + op.NEWOBJ + op.put(0)
    + state(numpy_array_alignment_bytes=op.integer(16)) + op.BUILD + b"\x00" + bytes(4)
    + op.POP + op.get(0) + state() + op.BUILD,
    "shape that is a list": wrapper(shape=op.array(op.integer(4))),
    "shape of text": wrapper(shape=op.tup(op.text("4"))),
    "shape of a run": wrapper(shape=op.MARK + op.integer(1) * 70 + op.TUPLE),
    "class that is no array": wrapper(state().replace(ARRAY, op.glob("builtins", "dict"))),
    "unknown attribute": wrapper(read=op.glob("builtins", "dict")),
    "data type that is none": wrapper(dtype=op.text("u1")),
    "arguments": op.call(WRAPPER, op.text("x")),
}  # fmt: skip


@pytest.mark.parametrize("stream", FORGED.values(), ids=FORGED)
def test_a_wrapper_that_joblib_never_writes_is_refused(stream):
    assert judged(stream + bytes(4)).outcome is Outcome.REFUSED


def test_an_array_longer_than_the_file_is_unverifiable():
    assert judged(wrapper(shape=1 << 40) + bytes(4)).outcome is Outcome.UNVERIFIABLE


def test_an_array_of_unknown_item_size_is_unverifiable():
    unknown = op.call(op.glob("numpy", "dtype"), op.text("float"), op.FALSE, op.TRUE)
    assert judged(wrapper(dtype=unknown) + b"\xff" * 8).outcome is Outcome.UNVERIFIABLE


@pytest.mark.parametrize(
    ("shape", "size"),
    [((), 8), ((3,), 24), ((2, 3), 48), ((0, 5), 0), ((-1, 5), 0), ((1 << 40, 1 << 40, 1 << 40), 1 << 62)],
)
def test_the_size_of_an_array(shape, size):
    assert ArrayInStream(shape, item_size=8, references=False, aligned=True).size == size


def test_the_size_of_an_array_of_unknown_items_is_not_known():
    assert ArrayInStream((1,), item_size=None, references=False, aligned=False).size is None


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("outer", [lambda x: x, lambda x: {"model": x}, lambda x: [{"a": 1, "b": (x, 2)}]])
def test_an_object_array_needs_no_more_names_wherever_it_lies(outer, protocol):
    model = LabelEncoder().fit(np.array(["a", "b"], dtype=object))
    inspection = inspect(BytesSource(dumped(outer(model), protocol=protocol)))
    assert inspection.needs == ("sklearn.preprocessing._label.LabelEncoder",)
    assert inspection.outcome is Outcome.NEEDS_APPROVAL


def test_a_gadget_that_only_the_outer_memo_names():
    # By itself the pickle of the array makes an OrderedDict; with the memo of the outer pickle it calls os.getcwd.
    inner = op.stream(
        op.text("collections") + op.MEMOIZE + op.POP + op.text("OrderedDict") + op.MEMOIZE + op.POP
        + op.get(0) + op.get(1) + op.STACK_GLOBAL + op.EMPTY_TUPLE + op.REDUCE
    )  # fmt: skip
    assert inspect(BytesSource(inner)).outcome is Outcome.DATA_ONLY
    outer = op.text("os") + op.put(0) + op.POP + op.text("getcwd") + op.put(1) + op.POP
    inspection = judged(outer + wrapper(dtype=OBJECTS) + inner)
    assert (inspection.outcome, "os.getcwd" in inspection.imports) == (Outcome.REFUSED, True)
