"""A machine that keeps the values of a pickle, where the one that judges only has to know what reaches code.

It is the same decoder, and stricter: where two unpicklers, or two loaders, could come to different values, the value is
a symbol that says so, and where a stream does what no pickler does, it ends.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

from weighlock.errors import FormatError
from weighlock.formats.pickle.machine import Machine
from weighlock.formats.pickle.values import NUMBER, Container, Tuple

if TYPE_CHECKING:
    from weighlock.formats.pickle.memo import Memo
    from weighlock.formats.pickle.observer import Observer
    from weighlock.formats.pickle.window import Window

# What a value and its place in a container take in memory.
_VALUE_BYTES = 48

# The memo writes the length of a text in two bytes. Longer ones are passed over, as the other machine does.
_LONGEST_CONSTANT = 60_000
_LONGEST_INTEGER = 1024

# As repr writes it. Both unpicklers read these alike.
_FLOAT = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?(?:e[-+]?[0-9]+)?|inf|nan)\Z")


class Keeper(Machine):
    """Executes one pickle symbolically and keeps every item of every container.

    Args:
        window: The bytes, at the first opcode.
        observer: Is told of everything that could reach code.
        memo: Of an unpickler that has read another pickle before; a new one has none.
    """

    def __init__(self, window: Window, observer: Observer, memo: Memo | None = None) -> None:
        super().__init__(window, observer, memo)
        # By identity; the symbol is kept as well, so that no other one gets its number.
        self._whole: dict[int, tuple[object, list[object]]] = {}

    def items(self, symbol: Container | Tuple) -> list[object]:
        """Return all items of a container or tuple; for a dict keys and values in turn."""
        found = self._whole.get(id(symbol))
        return found[1] if found else []

    def _keep(self, symbol: Container | Tuple, items: list[object]) -> None:
        self._retained += _VALUE_BYTES * len(items)
        self._whole.setdefault(id(symbol), (symbol, []))[1].extend(items)

    # Containers

    def _push_tuple(self, items: list[object]) -> None:
        super()._push_tuple(items)
        symbol = self._top()
        if items and isinstance(symbol, Tuple):
            self._keep(symbol, items)

    def _fill(self, container: Container, items: list[object]) -> None:
        if container.kind == "dict" and len(items) % 2:
            raise FormatError("a dict is given a key without a value")
        super()._fill(container, items)
        self._keep(container, items)

    def _put_in_container(self, how: str, kind: str, target: Container, items: list[object]) -> None:
        if kind != target.kind:
            raise FormatError("an item of a list is replaced")
        super()._put_in_container(how, kind, target, items)

    # Numbers

    def _scalar(self, size: int) -> bytes:
        # One by one: a run has no values.
        return self.window.take(size)

    def _binfloat(self) -> None:
        self._stack.append(struct.unpack(">d", self.window.take(8))[0])

    def _float(self) -> None:
        text = self._number_line()
        if text is None or not _FLOAT.match(text):
            raise FormatError("a number is not written as picklers write it")
        self._stack.append(float(text))

    def _long4(self) -> None:
        size = int.from_bytes(self.window.take(4), "little", signed=True)
        if size < 0:
            raise FormatError("a length is negative")
        if size > _LONGEST_INTEGER:
            self.window.skip(size)
            self._stack.append(NUMBER)
        else:
            self._stack.append(int.from_bytes(self.window.take(size), "little", signed=True))

    # Text and bytes

    def _text(self, size: int) -> None:
        if size > _LONGEST_CONSTANT:
            super()._text(size)
            return
        self._retained += _VALUE_BYTES + size
        try:
            self._stack.append(self.window.take(size).decode("utf-8", "surrogatepass"))
        except UnicodeDecodeError:
            raise FormatError("text is not UTF-8") from None

    def _bytes(self, size: int) -> None:
        if size > _LONGEST_CONSTANT:
            super()._bytes(size)
            return
        self._retained += _VALUE_BYTES + size
        self._stack.append(self.window.take(size))
