"""A small pickle assembler: streams are written opcode by opcode, so that a reviewer reads opcodes and not binaries.

Everything is `bytes` and is joined with ``+``. Constants are opcodes without an argument, functions in lower case
push a value or make a composite.

Source: the tables of CPython's ``Lib/pickletools.py``.
"""

from __future__ import annotations

import struct

MARK, STOP, POP, POP_MARK, DUP = b"(", b".", b"0", b"1", b"2"
NONE, TRUE, FALSE = b"N", b"\x88", b"\x89"
REDUCE, BUILD, OBJ, NEWOBJ, NEWOBJ_EX = b"R", b"b", b"o", b"\x81", b"\x92"
APPEND, APPENDS, SETITEM, SETITEMS, ADDITEMS = b"a", b"e", b"s", b"u", b"\x90"
EMPTY_LIST, EMPTY_DICT, EMPTY_SET, EMPTY_TUPLE = b"]", b"}", b"\x8f", b")"
LIST, DICT, TUPLE, FROZENSET = b"l", b"d", b"t", b"\x91"
TUPLE1, TUPLE2, TUPLE3 = b"\x85", b"\x86", b"\x87"
STACK_GLOBAL, MEMOIZE, BINPERSID = b"\x93", b"\x94", b"Q"
NEXT_BUFFER, READONLY_BUFFER = b"\x97", b"\x98"


def proto(version: int) -> bytes:
    """PROTO."""
    return b"\x80" + bytes([version])


def frame(size: int) -> bytes:
    """FRAME that announces `size` bytes, whether or not they follow."""
    return b"\x95" + struct.pack("<Q", size)


def text(value: str) -> bytes:
    """SHORT_BINUNICODE or BINUNICODE."""
    data = value.encode("utf-8", "surrogatepass")
    if len(data) < 256:
        return b"\x8c" + bytes([len(data)]) + data
    return binunicode(value)


def binunicode(value: str) -> bytes:
    """BINUNICODE, known since protocol 1."""
    data = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(data)) + data


def binunicode8(value: str) -> bytes:
    """BINUNICODE8."""
    data = value.encode("utf-8", "surrogatepass")
    return b"\x8d" + struct.pack("<Q", len(data)) + data


def unicode_line(value: str) -> bytes:
    """UNICODE, raw-unicode-escape up to the newline."""
    return b"V" + value.encode("raw-unicode-escape") + b"\n"


def string_line(value: str) -> bytes:
    """STRING, a quoted literal up to the newline."""
    return b"S'" + value.encode() + b"'\n"


def short_binstring(value: str) -> bytes:
    """SHORT_BINSTRING, a Python 2 str."""
    return b"U" + bytes([len(value)]) + value.encode("latin-1")


def binstring(value: str) -> bytes:
    """BINSTRING, a Python 2 str."""
    return b"T" + struct.pack("<i", len(value)) + value.encode("latin-1")


def binbytes(value: bytes) -> bytes:
    """SHORT_BINBYTES or BINBYTES."""
    if len(value) < 256:
        return b"C" + bytes([len(value)]) + value
    return b"B" + struct.pack("<I", len(value)) + value


def binbytes8(value: bytes) -> bytes:
    """BINBYTES8."""
    return b"\x8e" + struct.pack("<Q", len(value)) + value


def bytearray8(value: bytes) -> bytes:
    """BYTEARRAY8."""
    return b"\x96" + struct.pack("<Q", len(value)) + value


def integer(value: int) -> bytes:
    """BININT1, BININT2, BININT or LONG1, whichever is shortest."""
    if 0 <= value < 1 << 8:
        return b"K" + bytes([value])
    if 0 <= value < 1 << 16:
        return b"M" + struct.pack("<H", value)
    if -(1 << 31) <= value < 1 << 31:
        return b"J" + struct.pack("<i", value)
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def int_line(literal: str) -> bytes:
    """INT with its text as it is."""
    return b"I" + literal.encode() + b"\n"


def long_line(literal: str) -> bytes:
    """LONG with its text as it is."""
    return b"L" + literal.encode() + b"\n"


def float_line(literal: str) -> bytes:
    """FLOAT with its text as it is."""
    return b"F" + literal.encode() + b"\n"


def glob(module: str, name: str) -> bytes:
    """GLOBAL."""
    return b"c" + module.encode() + b"\n" + name.encode() + b"\n"


def stack_glob(module: str, name: str) -> bytes:
    """Two strings and STACK_GLOBAL."""
    return text(module) + text(name) + STACK_GLOBAL


def inst(module: str, name: str, *arguments: bytes) -> bytes:
    """MARK, the arguments, INST."""
    return MARK + b"".join(arguments) + b"i" + module.encode() + b"\n" + name.encode() + b"\n"


def put(index: int) -> bytes:
    """BINPUT or LONG_BINPUT."""
    return b"q" + bytes([index]) if 0 <= index < 256 else b"r" + struct.pack("<I", index)


def get(index: int) -> bytes:
    """BINGET or LONG_BINGET."""
    return b"h" + bytes([index]) if 0 <= index < 256 else b"j" + struct.pack("<I", index)


def put_line(literal: str) -> bytes:
    """PUT with its text as it is."""
    return b"p" + literal.encode() + b"\n"


def get_line(literal: str) -> bytes:
    """GET with its text as it is."""
    return b"g" + literal.encode() + b"\n"


def ext(code: int) -> bytes:
    """EXT1, EXT2 or EXT4."""
    if code < 1 << 8:
        return b"\x82" + bytes([code])
    return b"\x83" + struct.pack("<H", code) if code < 1 << 16 else b"\x84" + struct.pack("<i", code)


def persid_line(value: str) -> bytes:
    """PERSID."""
    return b"P" + value.encode() + b"\n"


def tup(*items: bytes) -> bytes:
    """Make a tuple with the shortest opcode."""
    short = (EMPTY_TUPLE, TUPLE1, TUPLE2, TUPLE3)
    if len(items) < len(short):
        return b"".join(items) + short[len(items)]
    return MARK + b"".join(items) + TUPLE


def array(*items: bytes) -> bytes:
    """Make a list with APPENDS."""
    return EMPTY_LIST + MARK + b"".join(items) + APPENDS


def mapping(**items: bytes) -> bytes:
    """Make a dict with SETITEMS; keys are strings."""
    return EMPTY_DICT + MARK + b"".join(text(key) + value for key, value in items.items()) + SETITEMS


def call(function: bytes, *arguments: bytes) -> bytes:
    """Apply a callable to a tuple of arguments with REDUCE."""
    return function + tup(*arguments) + REDUCE


def stream(*parts: bytes, protocol: int = 4) -> bytes:
    """Make a whole pickle: PROTO, the parts, STOP."""
    return proto(protocol) + b"".join(parts) + STOP
