"""The stack machine: executes the opcodes of one pickle over symbols.

Source:
    ``Lib/pickle.py`` (class ``_Unpickler``) and ``Modules/_pickle.c`` of CPython 3.11 to 3.15.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from weighlock.errors import FormatError
from weighlock.formats.pickle.memo import Memo
from weighlock.formats.pickle.stack import WITHOUT_METHODS, Stack
from weighlock.formats.pickle.values import (
    CONSTANT,
    NUMBER,
    Container,
    Global,
    Instance,
    Opaque,
    Run,
    Tuple,
    carried,
    is_surely_true,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeGuard

    from weighlock.formats.pickle.observer import Observer
    from weighlock.formats.pickle.window import Window

HIGHEST_PROTOCOL = 5

_STACK_BYTES = 72

# No file system has longer names, so that nothing can be imported by one.
_LONGEST_COMPONENT = 255
_LONGEST_NAME = 256

# No function that contracts know has more of them.
_MOST_PARAMETERS = 16

# Every unpickler fails when one of these is called.
_NOT_CALLABLE = (*WITHOUT_METHODS, Opaque, Container)


class Machine(Stack):
    """Executes one pickle symbolically.

    Args:
        window: The bytes, at the first opcode. After `run` it stands behind the last opcode that was read.
        observer: Is told of everything that could reach code.
        memo: Of an unpickler that has read another pickle before; a new one has none.

    Attributes:
        executed: How many opcodes were executed; a run of plain data counts once.
        protocol: Of the last PROTO opcode, 0 where there was none.
        began_with_proto: The first opcode was PROTO.
        memo: What the stream may fetch again.
    """

    def __init__(self, window: Window, observer: Observer, memo: Memo | None = None) -> None:
        super().__init__(window, observer, Memo() if memo is None else memo)
        self.protocol = 0
        self.began_with_proto = False
        # Where an opcode begins; known at the ends of windows and frames alone.
        self._opcode = window.offset
        self._charged = 0
        self._running = True

    def run(self) -> object:
        """Execute until STOP.

        Returns:
            The symbol that the unpickler would return.

        Raises:
            FormatError: Every unpickler would fail here. What was executed before has been observed.
            OverBudgetError: The pickle is too large to be judged.
        """
        window = self.window
        window.on_fill = self._charge
        self.began_with_proto = window.peek(1) == b"\x80"
        try:
            self._execute(self._handlers())
        finally:
            self._check_frame()
            self._charge()
        result = self._pop()
        if (function := carried(result)) is not None:
            self.observer.carried(function, self.window.offset)
        return result

    @classmethod
    @cache
    def _handlers(cls) -> list[Callable[[Machine], None]]:
        return [getattr(cls, f"_{name or 'unknown'}") for name in _NAMES]

    def _execute(self, handlers: list[Callable[[Machine], None]]) -> None:
        window = self.window
        while self._running:
            position = window.position
            if position >= window.stop:
                self._look_up()
                position = window.position
            window.position = position + 1
            handlers[window.data[position]](self)
            self.executed += 1

    def _look_up(self) -> None:
        # Where the data in the window end, and where a frame does.
        window = self.window
        self._check_frame()
        self._opcode = window.offset
        if window.position >= window.end:
            window.need(1)
        window.settle()

    def _check_frame(self) -> None:
        # The C unpickler forgets the rest of a frame that is too short for an opcode, and reads on behind it. Where
        # the data end in the middle of an opcode, they do so for us alone.
        window = self.window
        too_short = window.offset > window.frame_end or (window.ended and window.is_frame_whole)
        if self._opcode < window.frame_end and too_short:
            self.observer.evasive("an opcode reaches over the end of its frame", window.offset)

    def _charge(self) -> None:
        # Called each time the window moves on, so that the loop itself need not count.
        window = self.window
        self._tried = 0
        executed, self._charged = self.executed - self._charged, self.executed
        window.budget.spend("opcodes", executed)
        stacked = _STACK_BYTES * len(self._stack) + self._marks.itemsize * len(self._marks)
        window.check_retained(stacked + self.memo.retained + self._retained)

    def _unknown(self) -> None:
        raise FormatError("an unknown opcode")

    # Protocol and framing

    def _proto(self) -> None:
        self.protocol = self.window.take(1)[0]
        if self.protocol > HIGHEST_PROTOCOL:
            raise FormatError(f"pickle protocol {self.protocol} is not known")

    def _frame(self) -> None:
        window = self.window
        start = window.offset - 1
        size = int.from_bytes(window.take(8), "little")
        if start < window.frame_end:
            self.observer.evasive("a frame begins inside of another", start)
        window.frame_end = max(window.frame_end, window.offset + size)
        self._opcode = window.offset
        window.settle()

    def _stop(self) -> None:
        self._running = False
        if self.window.frame_end > self.window.offset and self.window.peek(1):
            # Unpicklers take a whole frame out of the file: for some of them the next pickle begins behind it.
            self.observer.evasive("the pickle ends before its frame does", self.window.offset)

    # Names

    def _import(self, module: str, name: str | None) -> None:
        if any(len(part) > _LONGEST_COMPONENT for part in module.split(".")):
            raise FormatError("no module has so long a name")
        if name is None or len(module) + len(name) > _LONGEST_NAME:
            self._push(self.observer.computed(module, name, self.window.offset))
            return
        # Names are kept, so that they are charged by their length.
        self.executed += len(module) + len(name)
        symbol = Global(module, name, legacy=self.protocol < 3, offset=self.window.offset)
        self.observer.imported(symbol)
        self._push(symbol)

    def _name_line(self) -> str | None:
        line = self.window.line()
        try:
            return None if line is None else line.decode("utf-8")
        except UnicodeDecodeError:
            raise FormatError("a name is not UTF-8") from None

    def _names(self) -> tuple[str, str | None]:
        module = self._name_line()
        if module is None:
            raise FormatError("no module has so long a name")
        # At the end of the data the pure-Python unpickler reads an empty name, and imports the module for it.
        return module, self._name_line() if self.window.peek(1) else ""

    def _global(self) -> None:
        self._import(*self._names())

    def _stack_global(self) -> None:
        name, module = self._pop(), self._pop()
        if type(name) is str and type(module) is str:
            self._import(module, name)
        else:
            self._push(self.observer.computed(module, name, self.window.offset))

    def _extension(self, size: int) -> None:
        if not any(self.window.take(size)):
            raise FormatError("a number of the extension registry is zero")
        self._push(self.observer.extension(self.window.offset))

    def _ext1(self) -> None:
        self._extension(1)

    def _ext2(self) -> None:
        self._extension(2)

    def _ext4(self) -> None:
        self._extension(4)

    def _persid(self) -> None:
        head = self.window.peek(_LONGEST_NAME).split(b"\n", 1)[0]
        if not (head.isascii() and head.decode("ascii").isprintable()):
            # Unpicklers want ASCII here, and no loader has ids with control characters; zip files begin with P.
            raise FormatError("a persistent id is not text")
        self.window.line()
        self._push(self.observer.persistent(head.decode("ascii"), self.window.offset))

    def _binpersid(self) -> None:
        self._push(self.observer.persistent(self._pop(), self.window.offset))

    # Calls

    def _call(self, how: str, function: object, args: object, keywords: object = None) -> None:
        if isinstance(function, _NOT_CALLABLE):
            raise FormatError("something is called that cannot be called")
        self.executed += _work(args, depth=2)
        known: list[object] | Instance | None
        if type(args) is Tuple or (type(args) is Container and args.kind == "list"):
            # The pure-Python unpickler spreads any iterable, text and bytes included.
            known = args.items if args.whole else None
        elif args is NUMBER or (isinstance(args, CONSTANT) and not isinstance(args, (str, bytes))):
            raise FormatError("the arguments of a call are not a tuple")
        else:
            known = args if type(args) is Instance else None
        self._push(self.observer.called(how, function, known, keywords, self.window.offset))

    def _reduce(self) -> None:
        args, function = self._pop(), self._pop()
        self._call("REDUCE", function, args)

    def _newobj(self) -> None:
        args, cls = self._pop(), self._pop()
        self._call("NEWOBJ", cls, args)

    def _newobj_ex(self) -> None:
        keywords, args, cls = self._pop(), self._pop(), self._pop()
        self._call("NEWOBJ_EX", cls, args, keywords)

    def _obj(self) -> None:
        items = self._pop_mark()
        if not items:
            raise FormatError("OBJ without a class")
        if type(items[0]) is Run:
            raise FormatError("OBJ of a number")
        self._call("OBJ", items[0], Tuple(items[1:]))

    def _inst(self) -> None:
        # The pure-Python unpickler imports before it looks for the mark.
        self._import(*self._names())
        cls = self._pop()
        self._call("INST", cls, Tuple(self._pop_mark()))

    def _build(self) -> None:
        state = self._pop()
        target = self._top()
        self.executed += _work(state, depth=2)
        if not isinstance(target, _NOT_CALLABLE):
            self.observer.built(target, state, self.window.offset)
        elif any(map(is_surely_true, state.items if _is_pair(state) else [state])):
            # Unpicklers pass over a state that is empty, the one in Python over anything that is not true.
            raise FormatError("a state is given to something that has no attributes")

    # Buffers

    def _next_buffer(self) -> None:
        self._push(Opaque("buffer"))

    def _readonly_buffer(self) -> None:
        self._top()


def _work(value: object, *, depth: int) -> int:
    """Return in opcodes what it costs to look through arguments or a state, which one memo entry can ask for often."""
    if not isinstance(value, (Tuple, Container)):
        return 0
    inner = sum(_work(item, depth=depth - 1) for item in value.items[:_MOST_PARAMETERS]) if depth else 0
    return len(value.items) // 2 + inner


def _is_pair(state: object) -> TypeGuard[Tuple]:
    return type(state) is Tuple and len(state.items) == 2


# PEP 307 (0 to 2), 3154 (4), 574 (5): opcode -> handler.
_OPCODES = {
    b"(": "mark", b".": "stop", b"0": "pop_top", b"1": "pop_mark", b"2": "dup",
    b"F": "float", b"I": "int", b"J": "binint", b"K": "binint1", b"L": "long", b"M": "binint2", b"N": "none",
    b"P": "persid", b"Q": "binpersid", b"R": "reduce", b"S": "string", b"T": "binstring",
    b"U": "short_binstring", b"V": "unicode", b"X": "binunicode", b"a": "append", b"b": "build", b"c": "global",
    b"d": "dict", b"}": "empty_dict", b"e": "appends", b"g": "get", b"h": "binget", b"i": "inst",
    b"j": "long_binget", b"l": "list", b"]": "empty_list", b"o": "obj", b"p": "put", b"q": "binput",
    b"r": "long_binput", b"s": "setitem", b"t": "tuple", b")": "empty_tuple", b"u": "setitems", b"G": "binfloat",
    b"\x80": "proto", b"\x81": "newobj", b"\x82": "ext1", b"\x83": "ext2", b"\x84": "ext4", b"\x85": "tuple1",
    b"\x86": "tuple2", b"\x87": "tuple3", b"\x88": "newtrue", b"\x89": "newfalse", b"\x8a": "long1",
    b"\x8b": "long4", b"B": "binbytes", b"C": "short_binbytes", b"\x8c": "short_binunicode",
    b"\x8d": "binunicode8", b"\x8e": "binbytes8", b"\x8f": "empty_set", b"\x90": "additems",
    b"\x91": "frozenset", b"\x92": "newobj_ex", b"\x93": "stack_global", b"\x94": "memoize", b"\x95": "frame",
    b"\x96": "bytearray8", b"\x97": "next_buffer", b"\x98": "readonly_buffer",
}  # fmt: skip
_NAMES: list[str | None] = [_OPCODES.get(bytes([code])) for code in range(256)]
