"""The opcodes that only push data: numbers, text and bytes. Long values are passed over, not read.

Source:
    ``Lib/pickle.py`` and ``Modules/_pickle.c``. Where the two disagree on a literal, the value is not
    kept, so that nothing can be concluded from it.
"""

from __future__ import annotations

import codecs
import re
import warnings
from typing import TYPE_CHECKING

from weighlock.errors import FormatError, OverBudgetError
from weighlock.formats.pickle.values import NUMBER, Native, Opaque, Run

if TYPE_CHECKING:
    from weighlock.formats.pickle.observer import Observer
    from weighlock.formats.pickle.window import Window

# What a string takes in memory, in addition to its characters.
_STRING_BYTES = 40

# Names, dtypes and keys are shorter; a longer constant is kept by its place alone.
RETAINED_CONSTANT = 256

# A nested pickle, or a zip that may hold one: looked at where it begins like this.
_NESTED = re.compile(rb"\x80[\x00-\x05]|PK\x03\x04|\xc2\x80[\x02-\x05]")
_NESTED_TEXT_PROTOCOL = b"c(]}l"
_HEAD = 64

_SCALAR = rb"K.|M..|J.{4}|G.{8}|[N\x88\x89]"
_RUN = re.compile(rb"(?:" + _SCALAR + rb")++", re.DOTALL)
_ONE = re.compile(_SCALAR, re.DOTALL)
_STRIDE = {0x4B: 2, 0x4D: 3, 0x4A: 5, 0x47: 9, 0x4E: 1, 0x88: 1, 0x89: 1}
_SHORTEST_RUN = 64

_DECIMAL = re.compile(r"(?:0|-?[1-9][0-9]*)\Z")
_ANY_INTEGER = re.compile(r"\s*[-+]?(?:0[xXoObB])?[0-9a-fA-F_]+[lL]?\s*\Z")
_LONGEST_DECIMAL = 18

# CPython reads no decimal number of more digits, unless it is told to.
_LONGEST_INDEX = 4300


class Decoder:
    """The half of the machine that pushes constants."""

    observer: Observer
    _stack: list[object]
    _fence: int
    executed: int

    def __init__(self, window: Window) -> None:
        self.window = window
        # Bytes of the symbols that were made, other than what lies on the stack or in the memo.
        self._retained = 0
        # Up to here in the window, runs are known to be short.
        self._tried = 0

    # Runs

    def _scalar(self, size: int) -> bytes | None:
        """Return the operand of a scalar opcode, or ``None`` after passing a whole run of scalars."""
        window = self.window
        start = window.position
        stop = start + size
        if stop >= window.end:
            return window.take(size)
        data = window.data
        if stop >= self._tried and data[stop] in _STRIDE:
            match = _RUN.match(data, start - 1)
            end = match.end() if match else stop
            if match and end - start >= _SHORTEST_RUN:
                window.position = end
                self._push_run(_count(match.group()))
                return None
            self._tried = end
        window.position = stop
        return data[start:stop]

    def _push_run(self, count: int) -> None:
        self.executed += count >> 4
        top = self._stack[-1] if len(self._stack) > self._fence else None
        if type(top) is Run:
            top.count += count
        else:
            self._stack.append(Run(count))

    # Numbers

    def _constant(self, size: int, value: object) -> None:
        if self._scalar(size) is not None:
            self._stack.append(value)

    def _none(self) -> None:
        self._constant(0, None)

    def _newtrue(self) -> None:
        self._constant(0, value=True)

    def _newfalse(self) -> None:
        self._constant(0, value=False)

    def _binint1(self) -> None:
        if (data := self._scalar(1)) is not None:
            self._stack.append(data[0])

    def _binint2(self) -> None:
        if (data := self._scalar(2)) is not None:
            self._stack.append(int.from_bytes(data, "little"))

    def _binint(self) -> None:
        if (data := self._scalar(4)) is not None:
            self._stack.append(int.from_bytes(data, "little", signed=True))

    def _binfloat(self) -> None:
        if self._scalar(8) is not None:
            self._stack.append(NUMBER)

    def _long1(self) -> None:
        size = self.window.take(1)[0]
        self._stack.append(int.from_bytes(self.window.take(size), "little", signed=True))

    def _long4(self) -> None:
        size = int.from_bytes(self.window.take(4), "little", signed=True)
        if size < 0:
            raise FormatError("a length is negative")
        self.window.skip(size)
        self._stack.append(NUMBER)

    def _number_line(self) -> str | None:
        line = self.window.line()
        # C stops at a NUL, whatever follows.
        return None if line is None else line.split(b"\0")[0].decode("latin-1")

    def _integer(self, text: str | None) -> None:
        if text is None:
            self._stack.append(NUMBER)
        elif _DECIMAL.match(text) and len(text) <= _LONGEST_DECIMAL:
            self._stack.append(int(text))
        elif _ANY_INTEGER.match(text):
            self._stack.append(NUMBER)
        else:
            raise FormatError("a number has no digits")

    def _int(self) -> None:
        if self.window.peek(1) == b"\0":
            # strtol finds no digits, stands at a NUL all the same, and C is content with that: zero.
            self.window.line()
            self._stack.append(NUMBER)
            return
        text = self._number_line()
        if text in {"00", "01"}:
            self._stack.append(text == "01")
        else:
            self._integer(text)

    def _long(self) -> None:
        text = self._number_line()
        self._integer(text[:-1] if text and text[-1] in "lL" else text)

    def _float(self) -> None:
        text = self._number_line()
        try:
            float(text or "0")
        except ValueError:
            raise FormatError("a number has no digits") from None
        self._stack.append(NUMBER)

    def _decimal_line(self) -> int:
        line = self.window.line()
        text = None if line is None else line.split(b"\0")[0]
        if text is None or len(text) > _LONGEST_INDEX:
            raise OverBudgetError("over the budget for a memo index")
        try:
            return int(text)
        except ValueError:
            raise FormatError("a memo index is not a number") from None

    # Text

    def _text(self, size: int) -> None:
        if size > RETAINED_CONSTANT:
            self._stack.append(self._pass_over("text", size))
            return
        start = self.window.offset
        data = self.window.take(size)
        self._retained += _STRING_BYTES + size
        if data[:1] == b"\xc2":
            self._look_at("text", data, start, size)
        try:
            self._stack.append(data.decode("utf-8", "surrogatepass"))
        except UnicodeDecodeError:
            raise FormatError("text is not UTF-8") from None

    def _short_binunicode(self) -> None:
        self._text(self.window.take(1)[0])

    def _binunicode(self) -> None:
        self._text(int.from_bytes(self.window.take(4), "little"))

    def _binunicode8(self) -> None:
        self._text(int.from_bytes(self.window.take(8), "little"))

    def _unicode(self) -> None:
        start = self.window.offset
        line = self.window.line()
        if line is None or len(line) > RETAINED_CONSTANT:
            self._stack.append(Opaque("line", start, self.window.offset - start - 1))
            return
        self._retained += _STRING_BYTES + len(line)
        try:
            self._stack.append(line.decode("raw-unicode-escape"))
        except UnicodeDecodeError:
            raise FormatError("text has a broken escape") from None

    def _native(self, data: bytes, otherwise: Opaque) -> None:
        # A Python 2 string: the encoding that the loader chose decides what it is.
        short = len(data) <= RETAINED_CONSTANT and data.isascii()
        self._retained += _STRING_BYTES + len(data)
        self._stack.append(Native(data.decode("ascii")) if short else otherwise)

    def _string(self) -> None:
        start = self.window.offset
        line = self.window.line()
        quoted = Opaque("quoted", start + 1, self.window.offset - start - 3)
        if line is None:
            self._stack.append(quoted)
            return
        if len(line) < 2 or line[0] != line[-1] or line[0] not in b"\"'":
            raise FormatError("a string has no quotes")
        self._native(unescaped(line[1:-1]), quoted)

    def _native_of(self, size: int) -> None:
        if size > RETAINED_CONSTANT:
            self._stack.append(self._pass_over("native", size))
            return
        start = self.window.offset
        data = self.window.take(size)
        self._look_at("native", data, start, size)
        self._native(data, Opaque("native", start, size))

    def _binstring(self) -> None:
        # The length has a sign for the Python unpickler alone, which fails where C reads on.
        self._native_of(int.from_bytes(self.window.take(4), "little"))

    def _short_binstring(self) -> None:
        self._native_of(self.window.take(1)[0])

    # Bytes

    def _bytes(self, size: int) -> None:
        if size > RETAINED_CONSTANT:
            self._stack.append(self._pass_over("bytes", size))
            return
        start = self.window.offset
        data = self.window.take(size)
        self._retained += _STRING_BYTES + size
        self._look_at("bytes", data, start, size)
        self._stack.append(data)

    def _short_binbytes(self) -> None:
        self._bytes(self.window.take(1)[0])

    def _binbytes(self) -> None:
        self._bytes(int.from_bytes(self.window.take(4), "little"))

    def _binbytes8(self) -> None:
        self._bytes(int.from_bytes(self.window.take(8), "little"))

    def _bytearray8(self) -> None:
        self._stack.append(self._pass_over("bytearray", int.from_bytes(self.window.take(8), "little")))

    def _pass_over(self, kind: str, size: int) -> Opaque:
        window = self.window
        start = window.offset
        head = window.peek(min(size, _HEAD))
        if size == 0:
            return Opaque(kind, start, 0)
        window.skip(size - 1)
        self._look_at(kind, head + window.take(1), start, size)
        return Opaque(kind, start, size)

    def _look_at(self, kind: str, data: bytes, start: int, size: int) -> None:
        if _NESTED.match(data) or (data[-1:] == b"." and data[0] in _NESTED_TEXT_PROTOCOL and b"\n" in data[:_HEAD]):
            self.observer.constant(kind, start, size)


def _count(run: bytes) -> int:
    stride = _STRIDE[run[0]]
    if len(run) % stride == 0 and run[::stride].count(run[0]) * stride == len(run):
        return len(run) // stride
    return len(_ONE.findall(run))


def unescaped(data: bytes) -> bytes:
    """Return a Python 2 string without its escapes.

    Raises:
        FormatError: An escape is broken.
    """
    if b"\\" not in data:
        return data
    try:
        with warnings.catch_warnings():
            # An escape that means nothing is kept, with a warning.
            warnings.simplefilter("ignore")
            return codecs.escape_decode(data)[0]
    except ValueError:
        raise FormatError("a string has a broken escape") from None
