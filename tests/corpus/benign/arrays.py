"""numpy arrays and scalars of every dtype, pickled."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterator

import numpy as np

from tests.corpus.case import Case

_NUMBERS = ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "g", "F", "D", "G", ">i4", ">f8")


def _matrix() -> np.ndarray:
    return np.asmatrix(np.eye(2))


def _mapped() -> np.memmap:
    with tempfile.NamedTemporaryFile() as file:
        return np.memmap(file.name, "f4", "w+", 0, (2, 2))


def values() -> dict[str, object]:
    """Return a value for each kind of array."""
    base = np.arange(24.0).reshape(4, 6)
    record = np.array([(1, 2.0, "a")], dtype=[("x", "i4"), ("y", "f8"), ("z", "U4")])
    nested = np.zeros(2, dtype=[("a", [("b", "f4", (2, 2)), ("c", "?")])])
    loop = np.empty(2, dtype=object)
    loop[:] = [1, "a"]
    return {
        "numbers": {code: np.arange(4).astype(code) for code in _NUMBERS},
        "scalars": [np.dtype(code).type(1) for code in _NUMBERS if code[0] != ">"],
        "zero-dimensional": np.array(3.5),
        "empty": np.empty((0, 3)),
        "fortran": np.asfortranarray(base),
        "views": [base, base[1], base.T, base[::2, ::-1]],
        "structured": record,
        "structured-scalar": record[0],
        "nested-structured": nested,
        "aligned": np.zeros(2, dtype=np.dtype([("a", "i1"), ("b", "f8")], align=True)),
        "recarray": record.view(np.recarray),
        "datetimes": np.array(["2024-01-01", "NaT"], dtype="M8[ns]"),
        "timedeltas": np.array([1, 2], dtype="m8[s]"),
        "datetime-scalars": [np.datetime64("2024-01-01"), np.timedelta64(3, "h"), np.datetime64("NaT")],
        "strings": np.array(["a", "bcd", "é"]),
        "byte-strings": np.array([b"a", b"bcd"]),
        "void": np.array([b"abc", b"def"], dtype="V3"),
        "text-scalars": [np.str_("x"), np.bytes_(b"y"), np.void(b"abc")],
        "string-dtype": np.array(["a", "long text " * 5], dtype=np.dtypes.StringDType()),
        "objects": np.array([1, "a", None, [1, 2], {"k": (1,)}], dtype=object),
        "objects-nested": np.array([np.arange(3), np.array(["x"], dtype=object)], dtype=object),
        "objects-plain": loop,
        "masked": np.ma.array([1, 2, 3], mask=[0, 1, 0], fill_value=9),
        "masked-float": np.ma.masked_invalid([1.0, float("nan")]),
        "matrix": _matrix(),
        "dtypes": [np.dtype(code) for code in (*_NUMBERS, "O", "U3", "S3", "V8", "M8[D]")] + [record.dtype],
        "dtype-classes": [np.float32, np.int64, np.bool_, np.ndarray],
        "generator": np.random.default_rng(5),
        "random-state": np.random.RandomState(5),
        "bit-generators": [np.random.Philox(1), np.random.SFC64(1), np.random.MT19937(1), np.random.PCG64DXSM(1)],
        "seed-sequence-state": np.random.SeedSequence(3).generate_state(4),
        "memmap": _mapped(),
        "big": np.zeros(100_000),
    }


def cases() -> Iterator[Case]:
    """Make a file per kind, protocols in turn; protocol 5 keeps arrays in buffers."""
    for number, (name, value) in enumerate(values().items()):
        for protocol in sorted({2, 3 + number % 3}):
            yield Case(f"numpy-{name}-{protocol}.pkl", pickle.dumps(value, protocol))
    for protocol in range(6):
        yield Case(f"numpy-everything-{protocol}.pkl", pickle.dumps(values(), protocol))
