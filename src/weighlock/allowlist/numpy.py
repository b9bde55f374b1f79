"""NumPy: arrays, scalars, data types and random states; also the arrays that joblib writes between opcodes.

Source:
    ``array_reduce_ex``, ``arraydescr_reduce`` and ``gentype_reduce`` in NumPy 1.x and 2.x;
    ``numpy/random/_pickle.py``; ``numpy/ma/core.py``.
"""

from __future__ import annotations

from weighlock.allowlist.entry import Entry, constructor, function, table

_SCALARS = (
    "bool", "bool_", "bytes_", "cdouble", "clongdouble", "complex128", "complex256", "complex64", "csingle",
    "datetime64", "double", "float128", "float16", "float32", "float64", "half", "int16", "int32", "int64",
    "int8", "intc", "intp", "long", "longdouble", "longlong", "object_", "short", "single", "str_",
    "string_", "timedelta64", "ubyte", "byte", "uint16", "uint32", "uint64", "uint8", "uintc", "uintp", "ulong",
    "ulonglong", "unicode_", "ushort", "void", "record", "generic", "number", "integer", "floating", "complexfloating",
)  # fmt: skip
_DTYPES = (
    "Bool", "Byte", "Bytes", "CLongDouble", "Complex128", "Complex64", "DateTime64", "Float16", "Float32",
    "Float64", "Int", "Int16", "Int32", "Int64", "Int8", "Long", "LongDouble", "LongLong", "Object", "Short", "Str",
    "TimeDelta64", "UByte", "UInt", "UInt16", "UInt32", "UInt64", "UInt8", "ULong", "ULongLong", "UShort", "Void",
    "String",
)  # fmt: skip
_ARRAYS = {
    "numpy.ndarray", "numpy.matrix", "numpy.matrixlib.defmatrix.matrix", "numpy.rec.recarray",
    "numpy.recarray", "numpy.core.records.recarray", "numpy.char.chararray", "numpy.chararray",
    "numpy.core.defchararray.chararray", "numpy.memmap", "numpy.core.memmap.memmap", "numpy._core.memmap.memmap",
}  # fmt: skip
_RECORDS = ("numpy.core.records.record", "numpy._core.records.record", "numpy.rec.record")
_MASKED = ("numpy.ma.MaskedArray", "numpy.ma.core.MaskedArray", "numpy.ma.mrecords.MaskedRecords")
_BIT_GENERATORS = {
    "MT19937": "_mt19937", "PCG64": "_pcg64", "PCG64DXSM": "_pcg64", "Philox": "_philox", "SFC64": "_sfc64",
}  # fmt: skip
JOBLIB_ARRAY = "joblib.numpy_pickle.NumpyArrayWrapper"
_RANDOM = "numpy.random._pickle."


def _multiarray(prefix: str) -> list[Entry]:
    return [
        function(f"{prefix}.multiarray._reconstruct", special="numpy_array", result="numpy.ndarray"),
        function(f"{prefix}.multiarray.scalar", special="numpy_scalar", result="numpy.generic"),
        function(f"{prefix}.numeric._frombuffer", "raw|buffer, numpy.dtype, ints, str", result="numpy.ndarray"),
        function(f"{prefix}._internal._convert_to_stringdtype_kwargs", "bool, ?data", result="numpy.StringDType"),
    ]


# 1.24 to 1.26 wrote the function that makes the bit generator, too.
_GENERATOR_ARGS = f"?str|@bit-generator|numpy.BitGenerator, ?&{_RANDOM}__bit_generator_ctor"

ENTRIES = table(
    *_multiarray("numpy.core"),
    function("numpy.core._internal._reconstruct", special="numpy_array", result="numpy.ndarray"),
    *_multiarray("numpy._core"),
    *(constructor(name, group="array", special="never", result="numpy.ndarray") for name in sorted(_ARRAYS)),
    constructor("numpy.dtype", special="numpy_dtype", result="numpy.dtype"),
    *(constructor(f"numpy.{name}", "?data", group="numpy-type") for name in _SCALARS),
    *(constructor(name, "?data", group="numpy-type") for name in _RECORDS),
    *(constructor(f"numpy.dtypes.{name}DType", "", group="numpy-type", result="numpy.dtype-class") for name in _DTYPES),
    constructor("numpy.poly1d", "", build="state"),
    constructor("numpy.lib.polynomial.poly1d", "", build="state"),
    function("numpy.ma.core._mareconstruct", special="masked_array", result="numpy.ma.MaskedArray"),
    *(constructor(name, group="masked", special="never", result="numpy.ma.MaskedArray") for name in _MASKED),
    constructor(JOBLIB_ARRAY, ""),
    constructor("numpy.ma.core.MaskedConstant", "", build="state"),
    constructor("numpy.ma.core.mvoid", special="never", group="masked", result="numpy.ma.MaskedArray"),
    function(_RANDOM + "__randomstate_ctor", _GENERATOR_ARGS, result="numpy.random.RandomState"),
    function(_RANDOM + "__generator_ctor", _GENERATOR_ARGS, result="numpy.random.Generator"),
    function(_RANDOM + "__bit_generator_ctor", "?str|@bit-generator", result="numpy.BitGenerator"),
    *(
        constructor(f"numpy.random.{module}.{name}", group="bit-generator", special="never")
        for name, module in _BIT_GENERATORS.items()
    ),
    constructor("numpy.random.bit_generator.SeedSequence", group="seed-sequence", special="never"),
    function(
        "numpy.random.bit_generator.__pyx_unpickle_SeedSequence",
        "@seed-sequence, int, none|tuple",
        result="numpy.random.SeedSequence",
    ),
)

# What BUILD may give to the results of the functions above.
STATES = {
    JOBLIB_ARRAY: "joblib_wrapper",
    "numpy.dtype": "numpy_dtype",
    "numpy.ndarray": "numpy_array",
    "numpy.ma.MaskedArray": "numpy_array",
    "numpy.random.RandomState": "dict|tuple",
    "numpy.random.Generator": "dict|none|tuple",
    "numpy.BitGenerator": "dict|tuple",
    "numpy.random.SeedSequence": "tuple",
}
