"""Type-confused calls of torch, numpy, pandas and scikit-learn: reconstructors that run what they are given."""

from __future__ import annotations

from collections.abc import Iterator

from tests.corpus import opcodes as op
from tests.corpus.case import MARKER, Case
from tests.corpus.malicious.payloads import CODE, PICKLE

_M = op.text(MARKER)
_MKDIR = op.stack_glob("os", "mkdir")
_CALLED = op.call(_MKDIR, _M)
_PARTIAL = op.call(op.glob("functools", "partial"), _MKDIR, _M)
_MEMMAP = op.glob("numpy", "memmap")


def _torch() -> Iterator[Case]:
    from_type = op.glob("torch._tensor", "_rebuild_from_type_v2")
    yield Case(
        "torch-from-type-calls.pkl",
        op.stream(op.call(from_type, _MKDIR, op.glob("builtins", "int"), op.tup(_M), op.NONE)),
    )
    tensor = op.call(op.glob("torch", "tensor"), op.array(op.integer(1)))
    patched = op.call(
        from_type,
        op.glob("torch", "tensor"),
        op.glob("torch", "Tensor"),
        op.tup(op.array(op.integer(1))),
        op.mapping(x=_CALLED),
    )
    yield Case("torch-from-type-state.pkl", op.stream(patched))
    hooks = op.glob("collections", "OrderedDict") + op.EMPTY_TUPLE + op.REDUCE + op.integer(0) + _MKDIR + op.SETITEM
    storage = op.call(op.glob("torch.storage", "TypedStorage"), op.integer(1))
    shape = (op.integer(0), op.tup(op.integer(1)), op.tup(op.integer(1)), op.TRUE)
    rebuilt = op.call(op.glob("torch._utils", "_rebuild_tensor_v2"), storage, *shape, hooks)
    yield Case("torch-rebuild-hooks.pkl", op.stream(rebuilt), asks=("os", "mkdir"))
    parameter = op.call(op.glob("torch._utils", "_rebuild_parameter"), tensor, op.TRUE, hooks)
    yield Case("torch-parameter-hooks.pkl", op.stream(parameter), asks=("os", "mkdir"))
    state = op.call(
        op.glob("torch._utils", "_rebuild_parameter_with_state"), tensor, op.FALSE, hooks, op.mapping(backward=_MKDIR)
    )
    yield Case("torch-parameter-state.pkl", op.stream(state), asks=("os", "mkdir"))
    called = op.call(
        op.glob("torch._utils", "_rebuild_parameter_with_state"), tensor, op.FALSE, op.NONE, op.mapping(x=_CALLED)
    )
    yield Case("torch-parameter-state-called.pkl", op.stream(called))
    yield Case(
        "torch-set-obj-state.pkl",
        op.stream(
            op.call(op.glob("torch._utils", "_set_obj_state"), op.glob("torch", "Tensor"), op.mapping(x=_CALLED))
        ),
    )
    wrapper = op.call(op.glob("torch._utils", "_rebuild_wrapper_subclass"), op.glob("subprocess", "Popen"))
    yield Case("torch-wrapper-subclass.pkl", op.stream(wrapper), asks=("subprocess", "Popen"))
    load = op.glob("torch.storage", "_load_from_bytes")
    yield Case("torch-load-from-bytes.pkl", op.stream(op.call(load, op.binbytes(PICKLE))))
    encoded = op.call(op.glob("_codecs", "encode"), op.binunicode(PICKLE.decode("latin-1")), op.binunicode("latin1"))
    yield Case("torch-load-from-bytes-protocol-2.pkl", op.stream(op.call(load, encoded), protocol=2))
    for name in (
        "_rebuild_sparse_tensor",
        "_rebuild_qtensor",
        "_rebuild_tensor",
        "_rebuild_nested_tensor",
        "_rebuild_meta_tensor_no_storage",
        "_rebuild_device_tensor_from_numpy",
        "_rebuild_device_tensor_from_cpu_tensor",
    ):
        yield Case(f"torch-argument-{name}.pkl", op.stream(op.call(op.glob("torch._utils", name), _CALLED)))
    for module, name in (
        ("torch", "device"),
        ("torch", "Size"),
        ("torch.serialization", "_get_layout"),
        ("torch.nn.parameter", "Parameter"),
        ("torch.storage", "UntypedStorage"),
        ("torch._tensor", "Tensor"),
        ("torch", "FloatStorage"),
        ("torch", "Generator"),
    ):
        yield Case(f"torch-argument-{module}.{name}.pkl", op.stream(op.call(op.glob(module, name), _CALLED)))
    append = tensor + op.tup(op.NONE, op.mapping(append=_MKDIR)) + op.BUILD
    yield Case("torch-tensor-build.pkl", op.stream(append), asks=("os", "mkdir"))
    base = op.glob("torch.nn.modules.linear", "Identity") + op.EMPTY_TUPLE + op.REDUCE
    yield Case(
        "torch-module-append-shadow.pkl", op.stream(base + op.mapping(append=_MKDIR) + op.BUILD + _M + op.APPEND)
    )
    forward = base + op.mapping(forward=_MKDIR, _backward_hooks=op.EMPTY_DICT) + op.BUILD + op.tup(_M) + op.REDUCE
    yield Case("torch-module-forward.pkl", op.stream(forward), asks=("os", "mkdir"))
    hook = (
        op.glob("torch.nn.modules.activation", "ReLU")
        + op.EMPTY_TUPLE
        + op.REDUCE
        + op.mapping(_forward_pre_hooks=op.EMPTY_DICT + op.integer(0) + _PARTIAL + op.SETITEM)
        + op.BUILD
    )
    yield Case("torch-module-pre-hook.pkl", op.stream(hook), asks=("functools", "partial"))


def _numpy() -> Iterator[Case]:
    reconstruct = op.glob("numpy.core.multiarray", "_reconstruct")
    modern = op.glob("numpy._core.multiarray", "_reconstruct")
    empty = (op.tup(op.integer(0)), op.binbytes(b"b"))
    for name, function in (("legacy", reconstruct), ("modern", modern)):
        yield Case(
            f"numpy-reconstruct-{name}-popen.pkl",
            op.stream(op.call(function, op.glob("subprocess", "Popen"), *empty)),
            asks=("subprocess", "Popen"),
        )
        yield Case(
            f"numpy-reconstruct-{name}-shape.pkl",
            op.stream(op.call(function, op.glob("numpy", "ndarray"), op.tup(_CALLED), op.binbytes(b"b"))),
        )
    built = op.call(modern, op.glob("numpy", "ndarray"), *empty)
    dtype = op.call(op.glob("numpy", "dtype"), op.text("O8"), op.FALSE, op.TRUE)
    objects = built + op.tup(op.integer(1), op.tup(op.integer(1)), dtype, op.FALSE, op.array(_CALLED)) + op.BUILD
    yield Case("numpy-object-array-element.pkl", op.stream(objects))
    yield Case("numpy-dtype-argument.pkl", op.stream(op.call(op.glob("numpy", "dtype"), _CALLED)))
    metadata = (
        op.call(op.glob("numpy", "dtype"), op.text("V8"), op.FALSE, op.TRUE)
        + op.tup(
            op.integer(3),
            op.text("|"),
            op.NONE,
            op.NONE,
            op.NONE,
            op.integer(8),
            op.integer(1),
            op.integer(0),
            op.mapping(x=_CALLED),
        )
        + op.BUILD
    )
    yield Case("numpy-dtype-metadata.pkl", op.stream(metadata))
    yield Case(
        "numpy-dtype-of-attribute.pkl",
        op.stream(op.call(op.glob("numpy", "dtype"), _PARTIAL)),
        asks=("functools", "partial"),
    )
    scalar = op.call(op.glob("numpy._core.multiarray", "scalar"), dtype, _CALLED)
    yield Case("numpy-scalar-object.pkl", op.stream(scalar))
    frombuffer = op.call(
        op.glob("numpy._core.numeric", "_frombuffer"), _CALLED, dtype, op.tup(op.integer(0)), op.text("C")
    )
    yield Case("numpy-frombuffer.pkl", op.stream(frombuffer))
    ctor = op.glob("numpy.random._pickle", "__randomstate_ctor")
    for name in ("__randomstate_ctor", "__generator_ctor", "__bit_generator_ctor"):
        yield Case(
            f"numpy-random-{name.strip('_')}.pkl", op.stream(op.call(op.glob("numpy.random._pickle", name), _CALLED))
        )
    yield Case(
        "numpy-random-generator-class.pkl",
        op.stream(op.call(op.glob("numpy.random._pickle", "__generator_ctor"), op.glob("subprocess", "Popen"))),
        asks=("subprocess", "Popen"),
    )
    yield Case("numpy-random-callable.pkl", op.stream(op.call(ctor, op.NONE, _MKDIR)), asks=("os", "mkdir"))
    masked = op.call(op.glob("numpy.ma.core", "_mareconstruct"), _MEMMAP, op.glob("numpy", "ndarray"), *empty)
    yield Case("numpy-masked-reconstruct.pkl", op.stream(masked), asks=("numpy", "memmap"))
    yield Case(
        "numpy-ufunc-reconstruct.pkl",
        op.stream(op.call(op.glob("numpy._core", "_ufunc_reconstruct"), op.text("os"), op.text("mkdir"))),
        asks=("numpy._core", "_ufunc_reconstruct"),
    )
    yield Case(
        "numpy-core-ufunc-reconstruct-called.pkl",
        op.stream(
            op.call(op.call(op.glob("numpy.core", "_ufunc_reconstruct"), op.text("posix"), op.text("mkdir")), _M)
        ),
    )


def _pandas() -> Iterator[Case]:
    new_index = op.glob("pandas.core.indexes.base", "_new_Index")
    keywords = op.mapping(filename=_M, dtype=op.text("u1"), mode=op.text("w+"), shape=op.tup(op.integer(1)))
    yield Case(
        "pandas-new-index-memmap.pkl", op.stream(op.call(new_index, _MEMMAP, keywords)), asks=("numpy", "memmap")
    )
    yield Case(
        "pandas-new-index-memmap-read.pkl",
        op.stream(op.call(new_index, _MEMMAP, keywords)),
        "pandas_load",
        ("numpy", "memmap"),
    )
    yield Case(
        "pandas-new-index-data.pkl",
        op.stream(op.call(new_index, op.glob("pandas.core.indexes.base", "Index"), op.mapping(data=_CALLED))),
    )
    yield Case(
        "pandas-new-index-popen.pkl",
        op.stream(op.call(new_index, op.glob("subprocess", "Popen"), op.EMPTY_DICT)),
        asks=("subprocess", "Popen"),
    )
    yield Case(
        "pandas-new-datetime-index.pkl",
        op.stream(op.call(op.glob("pandas.core.indexes.datetimes", "_new_DatetimeIndex"), _MEMMAP, keywords)),
    )
    yield Case(
        "pandas-new-period-index.pkl",
        op.stream(op.call(op.glob("pandas.core.indexes.period", "_new_PeriodIndex"), _MEMMAP)),
        asks=("numpy", "memmap"),
    )
    for module, name in (
        ("pandas._libs.internals", "_unpickle_block"),
        ("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked"),
        ("pandas._libs.tslibs.timestamps", "_unpickle_timestamp"),
        ("pandas._libs.tslibs.timedeltas", "_timedelta_unpickle"),
        ("pandas._libs.tslibs.nattype", "_nat_unpickle"),
        ("pandas.core.frame", "DataFrame"),
        ("pandas.core.series", "Series"),
        ("pandas.core.internals.managers", "BlockManager"),
        ("pandas.core.arrays.categorical", "Categorical"),
        ("pandas.core.dtypes.dtypes", "CategoricalDtype"),
    ):
        yield Case(
            f"pandas-argument-{module}.{name}.pkl", op.stream(op.call(op.glob(module, name), _CALLED)), "pandas_load"
        )
    frame = op.glob("pandas.core.frame", "DataFrame") + op.EMPTY_TUPLE + op.REDUCE
    yield Case(
        "pandas-frame-state.pkl",
        op.stream(frame + op.mapping(_typ=op.text("dataframe"), attrs=_CALLED) + op.BUILD),
        "pandas_load",
    )
    yield Case(
        "pandas-frame-metadata.pkl",
        op.stream(
            frame
            + op.mapping(_typ=op.text("dataframe"), _metadata=op.array(op.text("append")), append=_MKDIR)
            + op.BUILD
        ),
        "pandas_load",
        asks=("os", "mkdir"),
    )
    yield Case(
        "pandas-renamed-module.pkl",
        op.stream(op.call(op.glob("pandas.core.indexes.numeric", "Int64Index"), _CALLED)),
        "pandas_load",
        asks=("os", "mkdir"),
    )


def _learning() -> Iterator[Case]:
    # Restoring a distribution executes the source text that its state holds.
    for module, name in (("scipy.stats._continuous_distns", "norm_gen"), ("scipy.stats._discrete_distns", "binom_gen")):
        template = op.mapping(_parse_arg_template=op.text(CODE), shapes=op.NONE, numargs=op.integer(0))
        yield Case(
            f"scipy-{name}.pkl", op.stream(op.glob(module, name) + op.EMPTY_TUPLE + op.NEWOBJ + template + op.BUILD)
        )
    unpickle = op.glob("sklearn.linear_model._base", "LinearRegression") + op.EMPTY_TUPLE + op.NEWOBJ
    yield Case(
        "sklearn-state.pkl", op.stream(unpickle + op.mapping(coef_=_CALLED, _sklearn_version=op.text("1.0")) + op.BUILD)
    )
    function = op.call(op.glob("sklearn.preprocessing._function_transformer", "FunctionTransformer"), _MKDIR)
    yield Case("sklearn-function-transformer.pkl", op.stream(function), asks=("os", "mkdir"))
    bunch = (
        op.glob("sklearn.utils._bunch", "Bunch") + op.EMPTY_TUPLE + op.REDUCE + op.text("append") + _MKDIR + op.SETITEM
    )
    yield Case("sklearn-bunch-append.pkl", op.stream(bunch + _M + op.APPEND))
    tree = op.call(op.glob("sklearn.tree._tree", "Tree"), _CALLED)
    yield Case("sklearn-tree-argument.pkl", op.stream(tree))
    loss = op.call(op.glob("sklearn._loss._loss", "__pyx_unpickle_CyHalfSquaredError"), _MKDIR, op.integer(0), op.NONE)
    asks = ("sklearn._loss._loss", "__pyx_unpickle_CyHalfSquaredError")
    yield Case("sklearn-loss.pkl", op.stream(loss), asks=asks)
    wrapper = op.glob("joblib.numpy_pickle", "NumpyArrayWrapper") + op.EMPTY_TUPLE + op.NEWOBJ
    yield Case(
        "joblib-wrapper-append-shadow.pkl", op.stream(wrapper + op.mapping(append=_MKDIR) + op.BUILD + _M + op.APPEND)
    )


def cases() -> Iterator[Case]:
    """Make the files of every library."""
    for group in (_torch, _numpy, _pandas, _learning):
        for case in group():
            yield Case(f"confused-{case.name}", case.data, case.loader, case.asks)
