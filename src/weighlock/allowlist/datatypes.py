"""Contracts of NumPy: data types describe memory, and a forged one would turn bytes of the file into pointers.

Source:
    ``numpy/_core/src/multiarray/descriptor.c`` (``arraydescr_reduce``, ``arraydescr_setstate``), ``methods.c``
    (``array_setstate``), ``multiarraymodule.c`` (``array_scalar``); ``joblib/numpy_pickle.py``.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from weighlock.allowlist.spec import is_attributes, is_data, is_int, is_ints, is_raw, matches
from weighlock.formats.joblib import ArrayInStream
from weighlock.formats.pickle.values import CONSTANT, Container, Global, Instance, Tuple

if TYPE_CHECKING:
    from weighlock.allowlist.interpreter import Interpreter

_Args = list[object]

# A data type as arraydescr_reduce writes it; comma-separated and bracketed forms are not.
_CODE = re.compile(r"[<>|=]?(?:[?bBhHiIlLqQpPefdgFDGSaUVOMmcnN]\d*|[a-z]+\d*_?)\Z")
_SIZED = re.compile(r"(?:b1|[iu][1248]|f(?:2|4|8|12|16)|c(?:8|16|24|32)|[mM]8|[SaV][0-9]+|(U)[0-9]+|(O)[48]?)\Z")
_POINTER_BYTES = 8

# descriptor flags, numpy/_core/include/numpy/ndarraytypes.h
_HOLDS_REFERENCES = 0x01
_LIST_PICKLE = 0x02
_IS_POINTER = 0x04
_NEEDS_INIT = 0x08
_NEEDS_PYAPI = 0x10

_PYTHON_TYPES = {"object", "int", "float", "bool", "complex", "str", "bytes"}
_WRAPPER_KEYS = {"subclass", "shape", "dtype", "order", "allow_mmap", "numpy_array_alignment_bytes"}


class DataType:
    """What is remembered of a ``numpy.dtype``.

    Args:
        code: As given to the constructor.

    Attributes:
        references: Its memory holds references to objects.
        pointer: An item is such a reference, nothing else.
        size: Of an item in bytes, ``None`` where it is not known.
        own: It is a copy, not the one object that everybody shares.
        settled: It has its state.
    """

    def __init__(self, code: str, *, own: bool = True) -> None:
        self.code = code.lstrip("<>|=")
        self.references = self.code[:1] == "O" or "object" in self.code.lower() or "String" in self.code
        self.pointer = self.references
        self.size = _size_of(self.code)
        self.own = own
        self.settled = False


def _size_of(code: str) -> int | None:
    match = _SIZED.match(code)
    if match is None:
        return None
    if match[2]:
        return _POINTER_BYTES
    return int(code[1:]) * (4 if match[1] else 1)


def type_of(value: object) -> DataType | None:
    """Return what is known of a symbol that stands for a data type, else ``None``."""
    return value.detail if isinstance(value, Instance) and isinstance(value.detail, DataType) else None


def dtype(_interpreter: Interpreter, args: _Args) -> Instance | None:
    """Judge numpy.dtype(...) of a code or type, an alignment flag and a copy flag."""
    if not 1 <= len(args) <= 3 or not all(isinstance(arg, int) for arg in args[1:]):
        return None
    first, own = args[0], len(args) == 3 and bool(args[2])
    if isinstance(first, Global):
        code = _code_of(first)
        return None if code is None else Instance("numpy.dtype", DataType(code, own=own))
    if not isinstance(first, str) or not _CODE.match(first):
        return None
    return Instance("numpy.dtype", DataType(first, own=own))


def _code_of(name: Global) -> str | None:
    group = getattr(name.entry, "group", None)
    if group == "numpy-type":
        return "V" if name.name in {"record", "void"} else name.name
    # To numpy any other class of Python is that of an object.
    return name.name if group == "type" and name.name in _PYTHON_TYPES else None


def dtype_state(target: Instance, state: object) -> bool:
    """Tell whether `state` is what NumPy writes for the data type `target`, and note what it says.

    The flags tell NumPy whether the array's memory holds object pointers. NumPy keeps the dict of the fields and
    changes the data type in place: both must stay as they were judged, so nobody may hold the data type yet, and the
    dict is frozen.
    """
    known = target.detail
    if not isinstance(known, DataType) or not isinstance(state, Tuple) or len(state.items) not in {8, 9}:
        return False
    if target.shared or known.settled or not known.own or not is_data(state):
        return False
    version, order, base, names, fields, size, alignment, flags = state.items[:8]
    plain = version in {3, 4} and order in {"<", ">", "|", "="} and is_int(alignment)
    if not plain or not isinstance(size, int) or not isinstance(flags, int):
        return False
    known.settled = True
    parts = _parts(base, names, fields, size)
    if parts is None:
        return False
    if parts:
        known.references = any(part.references for part in parts)
        known.pointer = False
    structured = names is not None or fields is not None or base is not None
    return (not structured or known.code[:1] == "V") and _flags_agree(known, flags) and _size_agrees(known, size)


def _parts(base: object, names: object, fields: object, size: int) -> list[DataType] | None:
    """Return the data types that `size` bytes consist of, or ``None`` where they do not fit."""
    if base is not None:
        inner = _item_of(base, size)
        return None if inner is None or names is not None or fields is not None else [inner]
    if fields is None:
        return [] if names is None else None
    return _fields(names, fields, size)


def _item_of(base: object, size: int) -> DataType | None:
    # (data type, shape): an array in each item.
    if not isinstance(base, Tuple) or len(base.items) != 2:
        return None
    inner, shape = type_of(base.items[0]), base.items[1]
    lengths = shape.items if isinstance(shape, Tuple) else [shape]
    known = [length for length in lengths if type(length) is int and length >= 0]
    if inner is None or inner.size is None or len(known) != len(lengths) or inner.size * math.prod(known) != size:
        return None
    return inner


def _fields(names: object, fields: object, size: int) -> list[DataType] | None:
    pairs = fields.pairs() if isinstance(fields, Container) and fields.kind == "dict" else None
    if pairs is None or not isinstance(fields, Container) or not isinstance(names, Tuple):
        return None
    if not all(isinstance(name, str) and name in pairs for name in names.items):
        return None
    fields.frozen = True
    places: set[tuple[int, int, DataType]] = set()
    for value in pairs.values():
        if not isinstance(value, Tuple) or len(value.items) not in {2, 3}:
            return None
        inner, offset = type_of(value.items[0]), value.items[1]
        if inner is None or inner.size is None or type(offset) is not int or not 0 <= offset <= size - inner.size:
            return None
        places.add((offset, offset + inner.size, inner))
    return [inner for _start, _stop, inner in places] if _apart(places) else None


def _apart(places: set[tuple[int, int, DataType]]) -> bool:
    """Tell whether no field lies over a field with references, so that nothing else can be written there."""
    end = end_of_references = 0
    for start, stop, inner in sorted(places, key=lambda place: place[:2]):
        if start < (end if inner.references else end_of_references):
            return False
        end = max(end, stop)
        if inner.references:
            end_of_references = stop
    return True


def _flags_agree(known: DataType, flags: int) -> bool:
    holds = _HOLDS_REFERENCES | _LIST_PICKLE | _NEEDS_INIT | _NEEDS_PYAPI
    if known.references:
        return flags & holds == holds and (known.pointer or not flags & _IS_POINTER)
    return flags & (_HOLDS_REFERENCES | _LIST_PICKLE | _IS_POINTER) == 0


def _size_agrees(known: DataType, size: int) -> bool:
    if known.code == "V":
        known.size = size
        return size > 0
    if known.code[:1] in {"V", "S", "a", "U"} and known.size is not None:
        return size == known.size
    return size == -1


def array(_interpreter: Interpreter, args: _Args) -> Instance | None:
    """Judge _reconstruct(...) of a class, a shape and a code: an array before it gets its state."""
    if matches("@array, ints, raw", args):
        return Instance("numpy.ndarray")
    return _foreign(args, "ints, raw", 1)


def masked_array(_interpreter: Interpreter, args: _Args) -> Instance | None:
    """Judge _mareconstruct(...) of a class, the class of the data, a shape and a code."""
    if matches("@masked, @array, ints, raw", args):
        return Instance("numpy.ma.MaskedArray")
    return _foreign(args, "@array, ints, raw", 1)


def _foreign(args: _Args, signature: str, skipped: int) -> Instance | None:
    # A class of somebody else: its name has to be approved like any other.
    cls = args[0] if args else None
    foreign = isinstance(cls, Global) and cls.entry is None and matches(signature, args[skipped:])
    return Instance("foreign", str(cls)) if foreign else None


def array_state(_target: Instance, state: object) -> bool:
    """Tell whether `state` is what NumPy writes for an array: references as a list, other memory as bytes."""
    if not isinstance(state, Tuple) or len(state.items) < 5 or state.carries is not None:
        return False
    version, shape, kind, order, data = state.items[:5]
    if not (is_int(version) and is_ints(shape) and isinstance(order, int) and isinstance(kind, Instance)):
        return False
    as_list = isinstance(data, Container) and data.kind == "list"
    if kind.kind == "numpy.StringDType":
        return as_list
    known = type_of(kind)
    if known is None:
        return False
    return as_list if known.references else is_raw(data)


def scalar(_interpreter: Interpreter, args: _Args) -> Instance | None:
    """Judge the making of an array item from a data type and bytes."""
    known = type_of(args[0]) if 1 <= len(args) <= 2 else None
    if known is None or not all(is_data(arg) for arg in args[1:]):
        return None
    if len(args) == 1:
        return Instance("numpy.generic")
    value = args[1]
    if not known.references:
        return Instance("numpy.generic") if is_raw(value) else None
    # An object scalar is its object; a structured one with references is an array, never bytes.
    constant = isinstance(value, CONSTANT) or is_raw(value)
    return None if constant and not known.pointer else Instance("numpy.generic")


def joblib_wrapper_state(target: Instance, state: object) -> bool:
    """Tell whether `state` is what joblib writes for an array in the stream, and note where its memory ends.

    A wrapper that got a state before would have both.
    """
    pairs = state.pairs() if isinstance(state, Container) and is_attributes(state) else None
    if pairs is None or target.shared or target.detail is not None or pairs.keys() - _WRAPPER_KEYS:
        return False
    subclass, shape, kind = pairs.get("subclass"), pairs.get("shape"), pairs.get("dtype")
    if not isinstance(subclass, Global) or getattr(subclass.entry, "group", None) != "array":
        return False
    known = type_of(kind)
    if known is None and isinstance(kind, Instance) and kind.kind == "numpy.StringDType":
        known = DataType("String")
    if known is None or not isinstance(shape, Tuple) or not shape.whole:
        return False
    lengths = tuple(length for length in shape.items if type(length) is int)
    if len(lengths) != len(shape.items):
        return False
    aligned = pairs.get("numpy_array_alignment_bytes") is not None
    target.detail = ArrayInStream(lengths, known.size, known.references, aligned)
    return True
