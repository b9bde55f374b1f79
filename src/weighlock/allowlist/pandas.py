"""pandas: frames, series, indexes, extension arrays, offsets and scalars.

Source:
    The ``__reduce__`` of each class in pandas 1.x, 2.x and 3.x. Later versions write the public names, earlier
    ones the names of the defining modules.
"""

from __future__ import annotations

from weighlock.allowlist.entry import Entry, constant, constructor, function, table

_INDEXES = {
    "Index": "base", "RangeIndex": "range", "MultiIndex": "multi", "DatetimeIndex": "datetimes",
    "TimedeltaIndex": "timedeltas", "PeriodIndex": "period", "IntervalIndex": "interval",
    "CategoricalIndex": "category", "Int64Index": "numeric", "UInt64Index": "numeric", "Float64Index": "numeric",
    "NumericIndex": "numeric",
}  # fmt: skip
_ARRAYS = {
    "BooleanArray": "boolean", "IntegerArray": "integer", "FloatingArray": "floating", "StringArray": "string_",
    "DatetimeArray": "datetimes", "TimedeltaArray": "timedeltas", "PeriodArray": "period",
    "IntervalArray": "interval", "SparseArray": "sparse.array", "NumpyExtensionArray": "numpy_",
    "PandasArray": "numpy_",
}  # fmt: skip
_DTYPES = {
    "BooleanDtype": "core.arrays.boolean", "StringDtype": "core.arrays.string_",
    "CategoricalDtype": "core.dtypes.dtypes", "DatetimeTZDtype": "core.dtypes.dtypes",
    "PeriodDtype": "core.dtypes.dtypes", "IntervalDtype": "core.dtypes.dtypes", "SparseDtype": "core.dtypes.dtypes",
    "Int8Dtype": "core.arrays.integer", "Int16Dtype": "core.arrays.integer", "Int32Dtype": "core.arrays.integer",
    "Int64Dtype": "core.arrays.integer", "UInt8Dtype": "core.arrays.integer", "UInt16Dtype": "core.arrays.integer",
    "UInt32Dtype": "core.arrays.integer", "UInt64Dtype": "core.arrays.integer",
    "Float32Dtype": "core.arrays.floating", "Float64Dtype": "core.arrays.floating",
}  # fmt: skip
_OFFSETS = (
    "BusinessDay", "BusinessHour", "BusinessMonthBegin", "BusinessMonthEnd", "BQuarterBegin", "BQuarterEnd",
    "BYearBegin", "BYearEnd", "DateOffset", "Day", "Easter", "FY5253", "FY5253Quarter", "Hour",
    "LastWeekOfMonth", "Micro", "Milli", "Minute", "MonthBegin", "MonthEnd", "Nano", "QuarterBegin", "QuarterEnd",
    "Second", "SemiMonthBegin", "SemiMonthEnd", "Week", "WeekOfMonth", "YearBegin", "YearEnd",
)  # fmt: skip
# What is compared and counted, never looked up: a constructor that is given text may read files of time zones.
_DTYPE_CALLS = {"PeriodDtype": ("str|pandas.offset",), "StringDtype": ("str|none, ?data",)}
_OFFSET_ARGS = "*int|none|str|tuple|datetime.timedelta|datetime.time"
_FRAMES = {"DataFrame": "core.frame", "Series": "core.series"}
_MANAGERS = ("BlockManager", "SingleBlockManager")


def _both(name: str, module: str, *calls: str, group: str | None = None, build: str | None = None) -> list[Entry]:
    kind = f"pandas.{name}"
    return [
        constructor(kind, *calls, group=group, build=build),
        constructor(f"pandas.{module}.{name}", *calls, group=group, build=build, result=kind),
    ]


def _arrays() -> list[Entry]:
    return [
        constructor(path, "", group="pandas-array", build="state", result="pandas-array")
        for name, module in _ARRAYS.items()
        for path in (f"pandas.arrays.{name}", f"pandas.core.arrays.{module}.{name}")
    ]


def _new_index(module: str, name: str) -> Entry:
    return function(f"pandas.core.indexes.{module}.{name}", "@pandas-index, dict", result="pandas.Index")


ENTRIES = table(
    *(
        entry
        for name, module in _FRAMES.items()
        for entry in _both(name, module, "", "pandas.BlockManager", build="state|pandas.BlockManager")
    ),
    *(
        entry
        for name, module in _INDEXES.items()
        for entry in _both(name, f"core.indexes.{module}", "", group="pandas-index", build="state")
    ),
    *(
        entry
        for name, module in _DTYPES.items()
        for entry in _both(name, module, "", *_DTYPE_CALLS.get(name, ()), group="pandas-dtype", build="state")
    ),
    *_arrays(),
    *_both("Categorical", "core.arrays.categorical", "", group="pandas-array", build="state"),
    *(
        constructor(f"pandas.core.internals.managers.{name}", "*data", result="pandas.BlockManager", build="tuple|none")
        for name in _MANAGERS
    ),
    function(
        "pandas._libs.internals._unpickle_block",
        "numpy.ndarray|pandas-array|pandas.Categorical|foreign, builtins.slice|numpy.ndarray|pandas-places, int",
        result="pandas-block",
    ),
    constructor(
        "pandas._libs.internals.BlockPlacement", "int|builtins.slice|numpy.ndarray|list", result="pandas-places"
    ),
    function("pandas._libs.arrays.__pyx_unpickle_NDArrayBacked", "@pandas-array, int, state", result="pandas-array"),
    function("pandas._libs.interval.__pyx_unpickle_IntervalMixin", "@pandas-array, int, state", result="pandas-array"),
    _new_index("base", "_new_Index"),
    _new_index("datetimes", "_new_DatetimeIndex"),
    _new_index("timedeltas", "_new_TimedeltaIndex"),
    _new_index("interval", "_new_IntervalIndex"),
    _new_index("period", "_new_PeriodIndex"),
    constructor("pandas._libs.sparse.IntIndex", "int, numpy.ndarray, ?bool", build="state"),
    constructor("pandas._libs.sparse.BlockIndex", "int, numpy.ndarray, numpy.ndarray", build="state"),
    *(
        constructor(f"pandas.{module}.{name}", _OFFSET_ARGS, build="state", result="pandas.offset")
        for module in ("_libs.tslibs.offsets", "tseries.offsets")
        for name in _OFFSETS
    ),
    function("pandas._libs.tslibs.timestamps._unpickle_timestamp", "int, data, data, ?int", result="pandas.Timestamp"),
    function("pandas._libs.tslibs.timedeltas._timedelta_unpickle", "int, ?int", result="pandas.Timedelta"),
    function("pandas._libs.tslibs.nattype._nat_unpickle", "data", result="pandas.NaT"),
    *_both("Timestamp", "_libs.tslibs.timestamps", "int, ?data, ?data"),
    *_both("Timedelta", "_libs.tslibs.timedeltas", "int"),
    *_both("Period", "_libs.tslibs.period", "none|data, data, ?int", build="tuple"),
    *_both("Interval", "_libs.interval", "data, data, str"),
    constant("pandas.NA", "pandas.NA"),
    constant("pandas._libs.missing.NA", "pandas.NA"),
    function("pandas._libs.missing.C_NAType", "", result="pandas.NA"),
    function("pytz._UTC", "", result="pytz.timezone"),
    function("pytz._p", "*str|int", result="pytz.timezone"),
    constructor("pandas.DateOffset", _OFFSET_ARGS, build="state", result="pandas.offset"),
    constructor("dateutil.relativedelta.relativedelta", "", build="state"),
    constructor("dateutil.tz.tz.tzutc", "", build="state"),
)

STATES = {
    "pandas.Index": "state",
    "pandas-array": "state",
    "pandas-block": "none",
    "pandas.BlockManager": "tuple|none",
    "pandas.offset": "state",
}
