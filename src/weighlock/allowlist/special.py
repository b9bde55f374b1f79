"""Contracts that a signature cannot express: calls that reach other names, or bytes that are loaded in turn.

Each contract gets the interpreter and the arguments and returns what stands for the result, or ``None`` where
the call is not what plain data does.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from weighlock.allowlist import datatypes
from weighlock.allowlist.entry import Entry
from weighlock.allowlist.spec import is_attributes, is_data, is_raw
from weighlock.formats.pickle.values import Global, Instance, Opaque, Tuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from weighlock.allowlist.interpreter import Interpreter

_Args = list[object]

_ATTRIBUTE = re.compile(r"(?!_)[^\W\d]\w*\Z")
_BASES = {
    f"builtins.{name}"
    for name in ("object", "dict", "list", "int", "float", "str", "tuple", "bytes", "set", "frozenset", "complex")
}
_FOREIGN = {"foreign", "foreign-attribute"}
_UNICODE = "utf-8"
_LATIN_1 = "latin-1"
_ENCODINGS = {"latin1": _LATIN_1, "latin-1": _LATIN_1, "iso-8859-1": _LATIN_1, "ascii": "ascii", "utf-8": _UNICODE}


def _never(_interpreter: Interpreter, _args: _Args) -> Instance | None:
    return None


def _attribute(interpreter: Interpreter, args: _Args) -> Instance | None:
    if len(args) != 2 or type(args[1]) is not str:
        return None
    owner, name = args[0], args[1]
    if isinstance(owner, Global) and getattr(owner.entry, "group", None) == "has-unpickle" and name == "_unpickle":
        return Instance("function", "zoneinfo.ZoneInfo._unpickle")
    if not _ATTRIBUTE.match(name):
        return None
    if isinstance(owner, Global) and owner.entry is None:
        return interpreter.attribute(f"{owner}.{name}")
    if isinstance(owner, Instance) and owner.kind in _FOREIGN:
        # A method of an object: named after the class of the object.
        return interpreter.attribute(f"{owner.detail}.{name}")
    return None


def _type_of_singleton(_interpreter: Interpreter, args: _Args) -> Instance | None:
    singleton = len(args) == 1 and (
        args[0] is None or (isinstance(args[0], Global) and getattr(args[0].entry, "value", None) is not None)
    )
    return Instance("type") if singleton else None


def _reconstructor(_interpreter: Interpreter, args: _Args) -> Instance | None:
    # copyreg._reconstructor(cls, base, state): base.__new__(cls, state), then base.__init__.
    if len(args) != 3 or not all(is_data(arg) for arg in args):
        return None
    cls, base, state = args
    if not isinstance(cls, Global) or not isinstance(base, Global):
        return None
    if isinstance(base.entry, Entry) and base.entry.name not in _BASES:
        return None
    if not isinstance(cls.entry, Entry) or base.entry is None:
        return Instance("foreign", str(cls))
    forged = cls.entry.value is not None or (base.name == "object" and state is not None)
    return None if forged else Instance(cls.entry.result)


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


def _nested_torch(interpreter: Interpreter, args: _Args) -> Instance | None:
    # torch.storage._load_from_bytes(b) is torch.load(io.BytesIO(b), weights_only=False).
    value = args[0] if len(args) == 1 else None
    encoded = value.detail if isinstance(value, Instance) else None
    encoding = None
    if isinstance(encoded, _Encoded):
        value, encoding = encoded.text, encoded.encoding
    if isinstance(value, Opaque) and value.kind not in {"number", "buffer"}:
        readings = _readings(value.kind, encoding)
        for recode in readings:
            interpreter.nest(value.offset, value.size, recode, loaded=True)
        return Instance("torch.storage") if readings else None
    if isinstance(value, str):
        value = value.encode(encoding or "ascii", "replace")
    if isinstance(value, bytes):
        interpreter.nest(interpreter.offset, len(value), (), loaded=True, data=value)
        return Instance("torch.storage")
    return None


class _Encoded:
    """Bytes that were made of text: which text, and by which encoding."""

    def __init__(self, text: object, encoding: str) -> None:
        self.text = text
        self.encoding = encoding


def _readings(kind: str, encoding: str | None) -> list[tuple[str, ...]]:
    """Return how the bytes of a constant become those that are loaded, once for each kind of loader."""
    unescape = ("unescape",) if kind == "quoted" else ()
    if kind in {"native", "quoted"}:
        # What the loader takes Python 2 strings for: bytes, or text in an encoding of its choice.
        decoded: tuple[str, ...] = (_LATIN_1, _UNICODE) if encoding else ()
    else:
        decoded = {"text": (_UNICODE,), "line": ("raw-unicode-escape",)}.get(kind, ())
    if encoding is None:
        return [] if decoded else [unescape]
    return [() if (codec, encoding) == (_UNICODE, _UNICODE) else (*unescape, codec, encoding) for codec in decoded]


def _encode(_interpreter: Interpreter, args: _Args) -> Instance | None:
    # Protocols 0 to 2 write bytes as text in Latin-1. Without an encoding it is UTF-8.
    if len(args) not in {1, 2} or not is_raw(args[0]) or isinstance(args[0], (bytes, Instance)):
        return None
    encoding = _ENCODINGS.get(args[1]) if len(args) == 2 and isinstance(args[1], str) else _UNICODE
    if encoding is None or (len(args) == 2 and not isinstance(args[1], str)):
        return None
    return Instance("builtins.bytes", _Encoded(args[0], encoding))


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
    if not (isinstance(function, Global) and isinstance(cls, Global) and isinstance(inner, Tuple) and inner.whole):
        return None
    if not _rebuilds_tensors(function) or getattr(cls.entry, "group", "tensor-type") != "tensor-type":
        return None
    interpreter.called("REDUCE", function, inner.items, None, interpreter.offset)
    if cls.entry is None:
        return Instance("foreign", str(cls)) if is_data(state) else None
    return Instance("torch.Tensor") if _is_tensor_state(state) else None


def _rebuilds_tensors(function: Global) -> bool:
    if not isinstance(function.entry, Entry):
        return True
    # No tensor is rebuilt twice; the symbols would call each other as deep as the file wants.
    return function.entry.result == "torch.Tensor" and function.entry.special != "rebuild_from_type"


CONTRACTS: dict[str, Callable[[Interpreter, _Args], Instance | None]] = {
    "attribute": _attribute,
    "defaultdict": _defaultdict,
    "encode": _encode,
    "nested_torch": _nested_torch,
    "never": _never,
    "newobj": _newobj,
    "masked_array": datatypes.masked_array,
    "numpy_array": datatypes.array,
    "numpy_dtype": datatypes.dtype,
    "numpy_scalar": datatypes.scalar,
    "parameter_with_state": _parameter_with_state,
    "rebuild_from_type": _rebuild_from_type,
    "reconstructor": _reconstructor,
    "type_of_singleton": _type_of_singleton,
}

STATE_CONTRACTS: dict[str, Callable[[Instance, object], bool]] = {
    "joblib_wrapper": datatypes.joblib_wrapper_state,
    "numpy_array": datatypes.array_state,
    "numpy_dtype": datatypes.dtype_state,
}
