"""PyTorch: tensors of every kind, storages, data types, devices and layouts.

Source:
    ``torch/_utils.py``, ``torch/_tensor.py`` (``__reduce_ex__``), ``torch/serialization.py`` of PyTorch 1.x and 2.x.
"""

from __future__ import annotations

from weighlock.allowlist.entry import constant, constructor, function, table

_DTYPES = (
    "bfloat16", "bits16", "bits1x8", "bits2x4", "bits4x2", "bits8", "bool", "complex128", "complex32",
    "complex64", "float16", "float32", "float4_e2m1fn_x2", "float64", "float8_e4m3fn", "float8_e4m3fnuz",
    "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu", "int1", "int16", "int2", "int3", "int32", "int4", "int5",
    "int6", "int64", "int7", "int8", "qint32", "qint8", "quint2x4", "quint4x2", "quint8", "uint1", "uint16",
    "uint2", "uint3", "uint32", "uint4", "uint5", "uint6", "uint64", "uint7", "uint8",
    "half", "float", "double", "short", "int", "long", "cfloat", "cdouble", "chalf",
)  # fmt: skip
_STORAGES = (
    "BFloat16", "Bool", "Byte", "Char", "ComplexDouble", "ComplexFloat", "Double", "Float", "Half", "Int",
    "Long", "QInt32", "QInt8", "QUInt2x4", "QUInt4x2", "QUInt8", "Short",
)  # fmt: skip
_QUANTISERS = (
    "per_channel_affine", "per_channel_affine_float_qparams", "per_channel_symmetric", "per_tensor_affine",
    "per_tensor_symmetric",
)  # fmt: skip
_LAYOUTS = ("strided", "sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc", "jagged")
_FORMATS = ("contiguous_format", "channels_last", "channels_last_3d", "preserve_format")
_TENSORS = ("torch.Tensor", "torch.nn.parameter.Parameter", "torch.nn.parameter.Buffer", "torch.nn.Parameter")
_STORAGE = "torch.storage"
_TENSOR = "torch.Tensor"
_UTILS = "torch._utils."

ENTRIES = table(
    *(constant(f"torch.{name}", "torch.dtype", group="torch-dtype") for name in _DTYPES),
    *(constant(f"torch.{name}", "torch.qscheme") for name in _QUANTISERS),
    *(constant(f"torch.{name}", "torch.layout") for name in _LAYOUTS),
    *(constant(f"torch.{name}", "torch.memory_format") for name in _FORMATS),
    *(
        constant(f"{prefix}.{name}Storage", "storage-type", group="storage-type")
        for prefix in ("torch", "torch.cuda", "torch.storage")
        for name in _STORAGES
    ),
    *(
        constant(f"{prefix}.{name}Tensor", "tensor-type", group="tensor-type")
        for prefix in ("torch", "torch.cuda", "torch.sparse", "torch.cuda.sparse")
        for name in _STORAGES
    ),
    constant("torch.storage.UntypedStorage", "storage-type", group="storage-type"),
    constant("torch.UntypedStorage", "storage-type", group="storage-type"),
    constant("torch.storage.TypedStorage", "storage-type", group="storage-type"),
    constant("torch.storage._UntypedStorage", "storage-type", group="storage-type"),
    constant("torch.storage._TypedStorage", "storage-type", group="storage-type"),
    *(constant(name, "tensor-type", group="tensor-type") for name in _TENSORS),
    constructor("torch.Size", "ints|tuple"),
    constructor("torch.device", "str, ?int"),
    constructor("torch.torch_version.TorchVersion", "str"),
    function("torch.serialization._get_layout", "str", result="torch.layout"),
    function("torch.storage._load_from_bytes", special="nested_torch", result=_STORAGE),
    function(_UTILS + "_rebuild_tensor", "torch.storage, int, ints, ints", result=_TENSOR),
    function(
        _UTILS + "_rebuild_tensor_v2",
        "torch.storage, int, ints, ints, bool, collections.OrderedDict|dict|none, ?dict|none",
        result=_TENSOR,
    ),
    function(
        _UTILS + "_rebuild_tensor_v3",
        "torch.storage, int, ints, ints, bool, collections.OrderedDict|dict|none, torch.dtype, ?dict|none",
        result=_TENSOR,
    ),
    function(_UTILS + "_rebuild_parameter", "torch.Tensor, bool, collections.OrderedDict|dict|none", result=_TENSOR),
    function(_UTILS + "_rebuild_parameter_with_state", special="parameter_with_state", result=_TENSOR),
    function(
        _UTILS + "_rebuild_qtensor",
        "torch.storage, int, ints, ints, tuple, bool, collections.OrderedDict|dict|none",
        result=_TENSOR,
    ),
    function(_UTILS + "_rebuild_sparse_tensor", "torch.layout, tuple", result=_TENSOR),
    function(_UTILS + "_rebuild_sparse_csr_tensor", "torch.layout, tuple", result=_TENSOR),
    function(
        _UTILS + "_rebuild_nested_tensor", "torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor", result=_TENSOR
    ),
    function(_UTILS + "_rebuild_meta_tensor_no_storage", "torch.dtype, ints, ints, bool", result=_TENSOR),
    function(_UTILS + "_rebuild_device_tensor_from_numpy", "numpy.ndarray, torch.dtype, str, bool", result=_TENSOR),
    function(_UTILS + "_rebuild_device_tensor_from_cpu_tensor", "torch.Tensor, torch.dtype, str, bool", result=_TENSOR),
    function(_UTILS + "_rebuild_xla_tensor", "numpy.ndarray, torch.dtype, str, bool", result=_TENSOR),
    function(
        _UTILS + "_rebuild_wrapper_subclass",
        "@tensor-type, torch.dtype, ints, ints, int, torch.layout, torch.device, bool, *data",
        result=_TENSOR,
    ),
    function("torch._tensor._rebuild_from_type_v2", special="rebuild_from_type", result=_TENSOR),
    function("torch._tensor._rebuild_from_type", special="rebuild_from_type", result=_TENSOR),
    # The module's name before 1.8, which torch.load still maps.
    function("torch.tensor._rebuild_from_type", special="rebuild_from_type", result=_TENSOR),
    function("torch.tensor._rebuild_from_type_v2", special="rebuild_from_type", result=_TENSOR),
    # They return their argument; pickles in TorchScript call them to say what type a list has.
    *(
        function(f"torch.jit._pickle.{name}", "data", result="torch.jit.value")
        for name in ("build_boollist", "build_doublelist", "build_intlist", "build_tensor_from_id", "build_tensorlist")
    ),
    function("torch.jit._pickle.restore_type_tag", "data, str", result="torch.jit.value"),
    constant("torch.nested._internal.nested_tensor.NestedTensor", "tensor-type", group="tensor-type"),
    function("torch.nested._internal.nested_tensor._rebuild_njt", "dict", result=_TENSOR),
)

# What BUILD may give to the results of the functions above: the attributes of a tensor.
STATES = {_TENSOR: "attributes|tuple", _STORAGE: "none"}
