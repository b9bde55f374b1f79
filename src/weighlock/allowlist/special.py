"""Contracts that a signature cannot express: calls that reach other names, and data types that describe memory.

Each contract gets the interpreter and the arguments and returns what stands for the result, or ``None`` where
the call is not what plain data does.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from weighlock.allowlist.spec import is_attributes, is_data, is_int, is_ints, is_raw
from weighlock.formats.joblib import ArrayInStream
from weighlock.formats.pickle.values import CONSTANT, Container, Global, Instance, Opaque, Tuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from weighlock.allowlist.interpreter import Interpreter

_Args = list[object]

_ATTRIBUTE = re.compile(r"(?!_)[^\W\d]\w*\Z")
_BASES = {
    f"builtins.{name}"
    for name in ("object", "dict", "list", "int", "float", "str", "tuple", "bytes", "set", "frozenset", "complex")
}


def _never(_interpreter: Interpreter, _args: _Args) -> Instance | None:
    return None


def _attribute(_interpreter: Interpreter, args: _Args) -> Instance | None:
    if len(args) != 2 or not isinstance(args[1], str):
        return None
    owner, name = args
    if isinstance(owner, Global) and getattr(owner.entry, "group", None) == "has-unpickle" and name == "_unpickle":
        return Instance("function", "zoneinfo.ZoneInfo._unpickle")
    if isinstance(owner, Global) and owner.entry is None and _ATTRIBUTE.match(name):
        return Instance("foreign-attribute", f"{owner}.{name}")
    if isinstance(owner, Instance) and owner.kind == "foreign-attribute" and _ATTRIBUTE.match(name):
        return Instance("foreign-attribute", f"{owner.detail}.{name}")
    return None


def _type_of_singleton(_interpreter: Interpreter, args: _Args) -> Instance | None:
    singleton = len(args) == 1 and (
        args[0] is None or (isinstance(args[0], Global) and getattr(args[0].entry, "value", None) is not None)
    )
    return Instance("type") if singleton else None


def _reconstructor(interpreter: Interpreter, args: _Args) -> Instance | None:
    # copyreg._reconstructor(cls, base, state): base.__new__(cls, state), then base.__init__.
    if len(args) != 3 or not is_data(args[2]):
        return None
    cls, base, state = args
    if not isinstance(cls, Global) or not isinstance(base, Global):
        return None
    if base.entry is not None and str(base.name) not in {name.partition(".")[2] for name in _BASES}:
        return None
    if cls.entry is None or base.entry is None:
        return Instance("foreign", str(cls))
    if cls.entry.function or cls.entry.value is not None or (base.name == "object" and state is not None):
        return None
    return Instance(cls.entry.result)


def _newobj(interpreter: Interpreter, args: _Args) -> Instance | None:
    # copyreg.__newobj__(cls, *args): what the NEWOBJ opcode does.
    if not args:
        return None
    return interpreter.called("NEWOBJ", args[0], args[1:], None, interpreter.offset)


def _defaultdict(_interpreter: Interpreter, args: _Args) -> Instance | None:
    factory = args[0] if args else None
    known = factory is None or (isinstance(factory, Global) and factory.inert)
    foreign = isinstance(factory, Instance) and factory.kind == "foreign"
    if not (known or foreign) or len(args) > 2 or not all(is_data(arg) for arg in args[1:]):
        return None
    return Instance("collections.defaultdict")


# A data type as arraydescr_reduce writes it; comma-separated and bracketed forms are not.
_DTYPE = re.compile(r"[<>|=]?(?:[?bBhHiIlLqQpPefdgFDGSaUVOMmcnN]\d*|[a-z]+\d*_?)\Z")
_HOLDS_REFERENCES = 0b001
_LIST_PICKLE = 0b010
_IS_POINTER = 0b100


class _DataType:
    """What is remembered of a numpy.dtype: whether its memory holds references, and its size in bytes."""

    def __init__(self, code: str) -> None:
        self.code = code.lstrip("<>|=")
        self.references = self.code[:1] == "O" or self.code.startswith("object")
        self.pointer = self.references
        digits = self.code[1:]
        unit = 4 if self.code[:1] == "U" else 1
        self.size = int(digits) * unit if digits.isdigit() else None


def _numpy_dtype(_interpreter: Interpreter, args: _Args) -> Instance | None:
    if not 1 <= len(args) <= 3 or not all(isinstance(arg, int) for arg in args[1:]):
        return None
    if isinstance(args[0], Global) and getattr(args[0].entry, "group", None) in {"numpy-type", "type"}:
        name = args[0].name
        return Instance("numpy.dtype", _DataType("O" if "object" in name else "V" if name == "record" else name))
    if not isinstance(args[0], str) or not _DTYPE.match(args[0]):
        return None
    return Instance("numpy.dtype", _DataType(args[0]))


def numpy_dtype_state(target: Instance, state: object) -> bool:
    """Tell whether `state` is what NumPy writes for the data type `target`, and note what it says.

    The flags tell NumPy whether the array's memory holds object pointers: a forged flag would turn bytes of the
    file into pointers.

    Source:
        ``arraydescr_reduce`` and ``arraydescr_setstate`` in ``numpy/_core/src/multiarray/descriptor.c``.
    """
    known = target.detail
    if not isinstance(state, Tuple) or not isinstance(known, _DataType) or len(state.items) not in {8, 9}:
        return False
    version, order, base, names, fields, size, alignment, flags = state.items[:8]
    plain = version in {3, 4} and order in {"<", ">", "|", "="} and is_int(alignment) and isinstance(flags, int)
    if not plain or not isinstance(size, int) or not is_data(state):
        return False
    inner = _field_types(fields, size)
    if inner is None or (base is not None and _base_type(base) is None):
        return False
    if names is not None or fields is not None or base is not None:
        nested = [_base_type(base)] if base is not None else []
        known.references = any(item.references for item in [*inner, *nested] if item)
        known.pointer = False
        if known.code[:1] != "V":
            return False
    return _flags_agree(known, flags) and _size_agrees(known, size)


def _field_types(fields: object, size: int) -> list[_DataType] | None:
    """Return the types of the fields, or ``None`` where one of them would lie outside of the item."""
    if fields is None:
        return []
    pairs = fields.pairs() if isinstance(fields, Container) and fields.kind == "dict" else None
    if pairs is None:
        return None
    types = []
    for value in pairs.values():
        if not isinstance(value, Tuple) or len(value.items) not in {2, 3}:
            return None
        first, offset = value.items[:2]
        if not (isinstance(first, Instance) and isinstance(first.detail, _DataType)) or not isinstance(offset, int):
            return None
        if first.detail.size is None or offset < 0 or offset + first.detail.size > size:
            return None
        types.append(first.detail)
    return types


def _base_type(base: object) -> _DataType | None:
    first = base.items[0] if isinstance(base, Tuple) and len(base.items) == 2 else None
    return first.detail if isinstance(first, Instance) and isinstance(first.detail, _DataType) else None


def _flags_agree(known: _DataType, flags: int) -> bool:
    holds = _HOLDS_REFERENCES | _LIST_PICKLE
    if known.references:
        return flags & holds == holds and (known.pointer or not flags & _IS_POINTER)
    return flags & (holds | _IS_POINTER) == 0


def _size_agrees(known: _DataType, size: int) -> bool:
    if known.code == "V":
        known.size = size
        return size > 0
    if known.code[:1] in {"V", "S", "a", "U"} and known.size is not None:
        return size == known.size
    return size == -1


def numpy_array_state(_target: Instance, state: object) -> bool:
    """Tell whether `state` is what NumPy writes for an array: references as a list, other memory as bytes.

    Source:
        ``array_setstate`` in ``numpy/_core/src/multiarray/methods.c``; ``MaskedArray.__setstate__``.
    """
    if not isinstance(state, Tuple) or len(state.items) < 5 or state.carries is not None:
        return False
    version, shape, dtype, order, data = state.items[:5]
    if not (is_int(version) and is_ints(shape) and isinstance(order, int) and isinstance(dtype, Instance)):
        return False
    as_list = isinstance(data, Container) and data.kind == "list"
    if dtype.kind == "numpy.StringDType":
        return as_list
    if dtype.kind != "numpy.dtype" or not isinstance(dtype.detail, _DataType):
        return False
    return as_list if dtype.detail.references else is_raw(data)


def _numpy_scalar(_interpreter: Interpreter, args: _Args) -> Instance | None:
    if not 1 <= len(args) <= 2 or not isinstance(args[0], Instance) or args[0].kind != "numpy.dtype":
        return None
    known = args[0].detail
    if not isinstance(known, _DataType) or not all(is_data(arg) for arg in args[1:]):
        return None
    if not known.references and len(args) == 2 and not is_raw(args[1]):
        return None
    if known.references and len(args) == 2 and (isinstance(args[1], CONSTANT) or is_raw(args[1])):
        # An object scalar is its object; a structured one with references is an array, never bytes.
        return Instance("numpy.generic") if known.pointer else None
    return Instance("numpy.generic")


def _nested_torch(interpreter: Interpreter, args: _Args) -> Instance | None:
    # torch.storage._load_from_bytes(b) is torch.load(io.BytesIO(b), weights_only=False).
    value = args[0] if len(args) == 1 else None
    kind = "bytes"
    if isinstance(value, Instance) and value.kind == "builtins.bytes":
        kind, value = "text", value.detail
    if isinstance(value, Opaque) and value.kind in {"text", "bytes", "bytearray"}:
        kind = "text" if value.kind == "text" and kind == "text" else "bytes"
        interpreter.nest(value.offset, value.size, kind, loaded=True)
        return Instance("torch.storage")
    if isinstance(value, (bytes, str)):
        data = value if isinstance(value, bytes) else value.encode("latin-1", "replace")
        interpreter.nest(interpreter.offset, len(data), "bytes", loaded=True, data=data)
        return Instance("torch.storage")
    return None


def _latin1(_interpreter: Interpreter, args: _Args) -> Instance | None:
    # Protocols 0 to 2 write bytes as text in Latin-1.
    if len(args) not in {1, 2} or not is_raw(args[0]) or isinstance(args[0], bytes):
        return None
    if len(args) == 2 and args[1] not in {"latin1", "latin-1", "iso-8859-1", "ascii", "utf-8"}:
        return None
    return Instance("builtins.bytes", args[0])


def _parameter_with_state(_interpreter: Interpreter, args: _Args) -> Instance | None:
    if len(args) != 4 or not isinstance(args[0], Instance) or args[0].kind not in {"torch.Tensor", "foreign"}:
        return None
    if not isinstance(args[1], int) or not is_data(args[2]) or not _is_tensor_state(args[3]):
        return None
    return Instance("torch.Tensor")


def _is_tensor_state(state: object) -> bool:
    if isinstance(state, Tuple):
        return len(state.items) == 2 and all(is_attributes(item) for item in state.items)
    return is_attributes(state)


def _rebuild_from_type(interpreter: Interpreter, args: _Args) -> Instance | None:
    # torch._tensor._rebuild_from_type(_v2)(function, type, args, state): calls the function, then sets the state.
    if len(args) != 4:
        return None
    function, cls, inner, state = args
    if not (isinstance(function, Global) and isinstance(cls, Global) and isinstance(inner, Tuple)):
        return None
    if getattr(function.entry, "result", None) not in {"torch.Tensor", None}:
        return None
    if cls.entry is not None and getattr(cls.entry, "group", None) != "tensor-type":
        return None
    interpreter.called("REDUCE", function, inner.items, None, interpreter.offset)
    if cls.entry is None:
        return Instance("foreign", str(cls)) if is_data(state) else None
    return Instance("torch.Tensor") if _is_tensor_state(state) else None


def joblib_wrapper_state(target: Instance, state: object) -> bool:
    """Tell whether `state` is what joblib writes for an array in the stream, and note where its memory ends.

    Source:
        ``NumpyArrayWrapper`` in ``joblib/numpy_pickle.py``.
    """
    pairs = state.pairs() if isinstance(state, Container) and is_attributes(state) else None
    if pairs is None:
        return False
    subclass, shape, dtype = pairs.get("subclass"), pairs.get("shape"), pairs.get("dtype")
    if not isinstance(subclass, Global) or getattr(subclass.entry, "group", None) != "array":
        return False
    if not isinstance(shape, Tuple) or not all(type(item) is int for item in shape.items):
        return False
    if not isinstance(dtype, Instance) or not isinstance(dtype.detail, _DataType) or pairs.keys() - _WRAPPER_KEYS:
        return False
    aligned = pairs.get("numpy_array_alignment_bytes") is not None
    shape_items = tuple(item for item in shape.items if isinstance(item, int))
    target.detail = ArrayInStream(shape_items, dtype.detail.size, dtype.detail.references, aligned)
    return True


_WRAPPER_KEYS = {"subclass", "shape", "dtype", "order", "allow_mmap", "numpy_array_alignment_bytes"}

CONTRACTS: dict[str, Callable[[Interpreter, _Args], Instance | None]] = {
    "attribute": _attribute,
    "defaultdict": _defaultdict,
    "latin1": _latin1,
    "nested_torch": _nested_torch,
    "never": _never,
    "newobj": _newobj,
    "numpy_dtype": _numpy_dtype,
    "numpy_scalar": _numpy_scalar,
    "parameter_with_state": _parameter_with_state,
    "rebuild_from_type": _rebuild_from_type,
    "reconstructor": _reconstructor,
    "type_of_singleton": _type_of_singleton,
}

STATE_CONTRACTS: dict[str, Callable[[Instance, object], bool]] = {
    "joblib_wrapper": joblib_wrapper_state,
    "numpy_array": numpy_array_state,
    "numpy_dtype": numpy_dtype_state,
}
