"""Parser differentials: values that one reader of pickles accepts and another stumbles over, before the payload."""

from __future__ import annotations

from collections.abc import Iterator

from tests.corpus import opcodes as op
from tests.corpus.case import Case
from tests.corpus.malicious.payloads import MKDIR_CALL, SYSTEM_CALL

#: Values that the C unpickler takes; the payload follows each.
_VALUES = {
    "int-hex": op.int_line("0x1"),
    "int-hex-upper": op.int_line("0XfF"),
    "int-octal": op.int_line("0o17"),
    "int-binary": op.int_line("0b1"),
    "int-leading-zero": op.int_line("010"),
    "int-leading-space": op.int_line(" 7"),
    "int-underscore": op.int_line("1_0"),
    "int-plus": op.int_line("+7"),
    "int-bool": op.int_line("01"),
    "int-huge": op.int_line("9" * 400),
    "int-tab": op.int_line("\t7"),
    "long-hex": op.long_line("0x1L"),
    "long-underscore": op.long_line("1_0"),
    "long-without-suffix": op.long_line("12"),
    "long-negative": op.long_line("-12L"),
    "long1-empty": b"\x8a\x00",
    "long4-empty": b"\x8b\x00\x00\x00\x00",
    "long4-wide": b"\x8b\x09\x00\x00\x00" + b"\x01" * 9,
    "float-nan": op.float_line("nan"),
    "float-infinity": op.float_line("-Infinity"),
    "float-exponent": op.float_line("1e3"),
    "binfloat-nan": b"G\x7f\xf8\x00\x00\x00\x00\x00\x00",
    "string-double-quote": b'S"x"\n',
    "string-escape": b"S'\\x41\\101\\n'\n",
    "string-quote-inside": b'S"it\'s"\n',
    "unicode-escape": b"V\\u0041\\U00000042\n",
    "unicode-latin1": b"V\xe9\n",
    "binunicode-surrogate": op.binunicode("\udc80"),
    "binunicode8": op.binunicode8("x" * 300),
    "short-binstring-empty": b"U\x00",
    "binstring": op.binstring("abc"),
    "binbytes": b"B\x03\x00\x00\x00abc",
    "binbytes8": op.binbytes8(b"cos\nsystem\n"),
    "bytearray8": op.bytearray8(b"cos\nsystem\n"),
    "bytearray-readonly": op.bytearray8(b"x") + op.READONLY_BUFFER,
    "binint-negative": b"J\xff\xff\xff\xff",
    "binbytes-with-opcodes": op.binbytes(b".\x80\x05\x95\xff"),
    "text-with-opcodes": op.text(".\n(cR"),
    "empty-set": op.EMPTY_SET,
    "frozenset": op.MARK + op.integer(1) + op.FROZENSET,
    "persid-free-nesting": op.MARK * 64 + op.POP * 64 + op.NONE,
    "tuple-from-empty-mark": op.MARK + op.TUPLE,
    "dict-from-mark": op.MARK + op.text("a") + op.NONE + op.DICT,
    "list-from-mark": op.MARK + op.NONE + op.LIST,
}

#: Values that only the unpickler written in Python takes.
_PYTHON_ONLY = {
    "float-underscore": op.float_line("1_0"),
    "float-space": op.float_line(" 1.5"),
    "long-binput-huge": op.NONE + b"r\xff\xff\xff\xff",
    "frame-longer-than-file": op.frame(1 << 20),
}

#: Values that fail in every unpickler, so that the payload comes first.
_BROKEN = {
    "int-empty": op.int_line(""),
    "int-letters": op.int_line("1x"),
    "float-hex": op.float_line("0x1"),
    "string-unbalanced": b"S'x\n",
    "string-unquoted": b"Sx\n",
    "unicode-bad-escape": b"V\\u12\n",
    "binunicode-invalid": b"X\x01\x00\x00\x00\xff",
    "binunicode-truncated": b"X\xff\xff\xff\x7fab",
    "binstring-negative": b"T\xff\xff\xff\xff",
    "long4-negative": b"\x8b\xff\xff\xff\xff",
    "binbytes8-huge": b"\x8e" + b"\xff" * 8,
    "bytearray8-huge": b"\x96" + b"\xff" * 8,
    "binunicode8-huge": b"\x8d" + b"\x00" * 7 + b"\x40",
    "frame-huge": b"\x95" + b"\xff" * 8,
    "proto-6": op.proto(6),
    "proto-255": op.proto(255),
    "get-missing": op.get(200),
    "get-line-missing": op.get_line("99"),
    "get-line-letters": op.get_line("x"),
    "put-line-negative": op.put_line("-1"),
    "put-line-letters": op.put_line("x"),
    "pop-empty": op.POP * 4,
    "dup-empty": op.POP + op.DUP,
    "memoize-empty": op.POP + op.MEMOIZE,
    "reduce-empty": op.POP + op.REDUCE,
    "build-empty": op.POP + op.BUILD,
    "tuple3-short": op.TUPLE3,
    "tuple-without-mark": op.TUPLE,
    "appends-without-mark": op.APPENDS,
    "stack-global-of-ints": op.integer(1) + op.integer(2) + op.STACK_GLOBAL,
    "stack-global-empty": op.POP + op.STACK_GLOBAL,
    "extension-unregistered": op.ext(1),
    "extension-zero": b"\x82\x00",
    "extension-negative": b"\x84\xff\xff\xff\xff",
    "persid-without-hook": op.persid_line("x"),
    "binpersid-without-hook": op.integer(1) + op.BINPERSID,
    "next-buffer-without-buffers": op.NEXT_BUFFER,
    "readonly-of-int": op.integer(1) + op.READONLY_BUFFER,
    "unknown-opcode": b"\xff",
    "newline-between-opcodes": b"\n",
    "zero-byte": b"\x00",
    "global-missing-module": op.glob("absent_module_of_nobody", "x"),
    "global-not-utf8": b"cos\n\xff\xfe\n",
    "global-truncated": b"cos\nsys",
    "setitem-on-none": op.NONE + op.text("k") + op.NONE + op.SETITEM,
    "append-on-none": op.NONE + op.NONE + op.APPEND,
    "reduce-of-int": op.integer(1) + op.EMPTY_TUPLE + op.REDUCE,
    "newobj-of-int": op.integer(1) + op.EMPTY_TUPLE + op.NEWOBJ,
    "truncated": b"",
}


def cases() -> Iterator[Case]:
    """Make a file per value: the odd value first and then the payload, or the payload and then the breaking value."""
    for name, value in _VALUES.items():
        yield Case(f"text-{name}.pkl", op.stream(value + op.POP + MKDIR_CALL))
    for name, value in _VALUES.items():
        if name.startswith(("int", "long", "float", "string")):
            yield Case(f"text-{name}-argument.pkl", op.stream(op.tup(value, SYSTEM_CALL), protocol=2))
    for name, value in _PYTHON_ONLY.items():
        yield Case(f"text-python-{name}.pkl", op.stream(value + MKDIR_CALL), "pickle_load_python")
    for name, value in _BROKEN.items():
        end = b"" if name == "truncated" else op.STOP
        yield Case(f"text-after-{name}.pkl", op.proto(4) + MKDIR_CALL + value + end)
    for name in ("string-unbalanced", "proto-6", "unknown-opcode", "truncated", "frame-huge", "get-missing"):
        body = op.proto(4) + op.array(op.integer(1)) + op.POP + SYSTEM_CALL + _BROKEN[name]
        yield Case(f"text-after-{name}-python.pkl", body, "pickle_load_python")
