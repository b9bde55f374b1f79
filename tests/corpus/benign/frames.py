"""pandas frames, series and indexes of every dtype."""

from __future__ import annotations

import bz2
import gzip
import lzma
import pickle
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from tests.corpus.case import Case


def _indexes() -> dict[str, object]:
    days = pd.date_range("2024-01-01", periods=4, freq="D")
    return {
        "range-index": pd.RangeIndex(4),
        "int-index": pd.Index([1, 2, 3]),
        "float-index": pd.Index([0.5, 1.5]),
        "text-index": pd.Index(["a", "b"], name="key"),
        "object-index": pd.Index([1, "a", None], dtype=object),
        "datetime-index": days,
        "datetime-index-zone": days.tz_localize("Europe/Zurich"),
        "timedelta-index": pd.to_timedelta([1, 2], unit="h"),
        "period-index": pd.period_range("2024-01", periods=3, freq="M"),
        "interval-index": pd.interval_range(0, 3),
        "categorical-index": pd.CategoricalIndex(["a", "b", "a"]),
        "multi-index": pd.MultiIndex.from_product([[1, 2], ["a", "b"]], names=["n", "t"]),
        "bool-index": pd.Index([True, False]),
    }


def _series() -> dict[str, object]:
    return {
        "series-int": pd.Series([1, 2, 3], name="x"),
        "series-text": pd.Series(["a", "b", None]),
        "series-object": pd.Series([1, "a", [2], {"k": 1}], dtype=object),
        "series-category": pd.Series(["a", "b", "a"], dtype="category"),
        "series-ordered-category": pd.Series(pd.Categorical(["lo", "hi"], ["lo", "hi"], ordered=True)),
        "series-nullable-int": pd.Series([1, None], dtype="Int64"),
        "series-nullable-float": pd.Series([1.5, None], dtype="Float32"),
        "series-nullable-bool": pd.Series([True, None], dtype="boolean"),
        "series-string-dtype": pd.Series(["a", None], dtype="string"),
        "series-datetime": pd.Series(pd.to_datetime(["2024-01-01", None])),
        "series-datetime-zone": pd.Series(pd.to_datetime(["2024-01-01"]).tz_localize("UTC")),
        "series-timedelta": pd.Series(pd.to_timedelta(["1D", "2h"])),
        "series-period": pd.Series(pd.period_range("2024", periods=2, freq="Y")),
        "series-interval": pd.Series(pd.interval_range(0, 2)),
        "series-sparse": pd.Series(pd.arrays.SparseArray([0, 0, 1])),
        "series-complex": pd.Series([1j, 2]),
    }


def _frames() -> dict[str, object]:
    frame = pd.DataFrame(
        {
            "i": [1, 2],
            "f": [0.5, 1.5],
            "s": ["a", "b"],
            "b": [True, False],
            "d": pd.to_datetime(["2024-01-01", "2024-01-02"]),
        }
    )
    attributed = frame.copy()
    attributed.attrs["source"] = "x"
    return {
        "frame": frame,
        "frame-empty": pd.DataFrame(),
        "frame-attrs": attributed,
        "frame-multi-index": frame.set_index(["i", "s"]),
        "frame-multi-columns": pd.DataFrame(np.eye(2), columns=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])),
        "frame-nullable": frame.convert_dtypes(),
        "frame-category": frame.astype({"s": "category"}),
        "frame-transposed": frame[["i", "f"]].T,
        "frame-slice": frame.iloc[:1],
        "frame-all-dtypes": pd.DataFrame(
            {name: series.iloc[:1].reset_index(drop=True) for name, series in _series().items()}
        ),
        "scalars": [
            pd.Timestamp("2024-01-01"),
            pd.Timestamp("2024-01-01", tz="UTC"),
            pd.Timedelta("1D"),
            pd.NaT,
            pd.NA,
            pd.Period("2024-01", "M"),
            pd.Interval(0, 1),
        ],
        "dtypes": [
            pd.Int64Dtype(),
            pd.StringDtype(),
            pd.CategoricalDtype(["a"]),
            pd.DatetimeTZDtype(tz="UTC"),
            pd.PeriodDtype("D"),
            pd.IntervalDtype("int64"),
        ],
        "offsets": [pd.offsets.Day(2), pd.offsets.MonthEnd(), pd.offsets.BusinessDay(), pd.offsets.Hour(3)],
        "describe": frame.describe(),
        "group-means": frame.groupby("s")["f"].mean(),
    }


def _to_pickle(value: object, name: str, **options: object) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        pd.to_pickle(value, path, **options)
        return path.read_bytes()


def cases() -> Iterator[Case]:
    """Make a file per kind, and one frame by every compression, with text as pandas keeps it without pyarrow."""
    with pd.option_context("mode.string_storage", "python"):
        yield from _cases()


def _cases() -> Iterator[Case]:
    for number, (name, value) in enumerate({**_indexes(), **_series(), **_frames()}.items()):
        yield Case(f"pandas-{name}.pkl", pickle.dumps(value, 2 + number % 4), "pandas_load")
    frame = _frames()["frame"]
    for suffix in (
        ".pkl",
        ".pkl.gz",
        ".pkl.bz2",
        ".pkl.xz",
        ".pkl.zip",
        ".pkl.tar",
        ".pkl.tar.gz",
        ".pkl.tar.bz2",
        ".pkl.tar.xz",
    ):
        yield Case(f"pandas-file{suffix}", _to_pickle(frame, f"frame{suffix}"), "pandas_load")
    for name, compress in (("gzip", gzip.compress), ("bz2", bz2.compress), ("lzma", lzma.compress)):
        data = compress(pickle.dumps(_frames()["frame-all-dtypes"]))
        yield Case(f"pandas-by-{name}.pkl.{name}", data, f"{name}_pickle_load")
