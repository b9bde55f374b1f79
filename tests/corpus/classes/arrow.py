"""Frames of pandas whose columns pyarrow keeps, which is what pandas does with text wherever pyarrow is installed."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import pandas as pd
import pyarrow as pa

from tests.corpus.case import Case


def _values() -> Iterator[tuple[str, object]]:
    text = pd.Series(["a", "b", None], dtype="string[pyarrow]")
    yield "text", text
    yield "slice", text[1:2]
    yield "empty", text[:0]
    yield "index", pd.Index(text)
    yield "category", text.astype("category")
    yield "frame", pd.DataFrame({"s": text, "i": [1, 2, 3]})
    yield "number", pd.Series([1, None], dtype="int64[pyarrow]")
    for name, values, kind in (
        ("time", [0], pa.timestamp("ns", "UTC")),
        ("list", [[1], [2, 3]], pa.list_(pa.int64())),
        ("large-list", [[1]], pa.large_list(pa.int64())),
        ("record", [{"a": 1}], pa.struct([("a", pa.int64())])),
        ("map", [[("a", 1)]], pa.map_(pa.string(), pa.int64())),
        ("dictionary", ["a"], pa.dictionary(pa.int32(), pa.string())),
        ("decimal", [None], pa.decimal128(5, 2)),
        ("bytes", [b"a"], pa.binary(1)),
    ):
        yield name, pd.Series(pd.array(values, dtype=pd.ArrowDtype(kind)))
    yield "table", pa.table({"a": [1]})


def cases() -> Iterator[Case]:
    """Make a file per kind of column, in turns by every protocol."""
    for number, (name, value) in enumerate(_values()):
        yield Case(f"arrow-{name}.pkl", pickle.dumps(value, 2 + number % 4), "pandas_load")
