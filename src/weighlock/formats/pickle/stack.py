"""The stack with its marks, the literal containers on it, and the memo.

Source:
    ``Modules/_pickle.c`` (``Pdata``, ``do_append``, ``do_setitems``) and ``Lib/pickle.py``.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from weighlock.errors import FormatError
from weighlock.formats.pickle.decoder import Decoder
from weighlock.formats.pickle.values import (
    NUMBER,
    RETAINED_ITEMS,
    Container,
    Global,
    Instance,
    Opaque,
    Run,
    Tuple,
    carried,
)

if TYPE_CHECKING:
    from weighlock.formats.pickle.memo import Memo
    from weighlock.formats.pickle.observer import Observer
    from weighlock.formats.pickle.window import Window

# What symbols take in memory: a container, and an item that it keeps.
_CONTAINER_BYTES = 96
_ITEM_BYTES = 24

_EMPTY_TUPLE = Tuple([])
_CARRIERS = (Global, Tuple)

# Every unpickler fails when one of these gets items through a method: they have none.
WITHOUT_METHODS = (str, int, bytes, float, type(None), Tuple)


class Stack(Decoder):
    """The part of the machine that moves symbols and reaches no code.

    Args:
        window: The bytes.
        observer: Is told of items that go into something else than a literal container.
        memo: What the stream may fetch again.
    """

    def __init__(self, window: Window, observer: Observer, memo: Memo) -> None:
        super().__init__(window)
        self.observer = observer
        self.executed = 0
        self.memo = memo
        self._stack: list[object] = []
        self._marks = array("q")
        self._fence = 0

    def _push(self, value: object) -> None:
        self._stack.append(value)

    def _pop(self) -> object:
        stack = self._stack
        if len(stack) <= self._fence:
            raise FormatError("a value is taken from an empty stack")
        top = stack[-1]
        if type(top) is Run:
            top.count -= 1
            if top.count == 0:
                del stack[-1]
            return NUMBER
        del stack[-1]
        return top

    def _top(self) -> object:
        if len(self._stack) <= self._fence:
            raise FormatError("a value is read from an empty stack")
        top = self._stack[-1]
        return NUMBER if type(top) is Run else top

    def _pop_mark(self) -> list[object]:
        if not self._marks:
            raise FormatError("a mark is missing")
        start = self._marks.pop()
        items = self._stack[start:]
        del self._stack[start:]
        self._fence = self._marks[-1] if self._marks else 0
        return items

    def _mark(self) -> None:
        self._fence = len(self._stack)
        self._marks.append(self._fence)

    def _pop_top(self) -> None:
        if len(self._stack) > self._fence:
            self._pop()
        else:
            self._pop_mark()

    def _dup(self) -> None:
        top = self._top()
        if type(top) is Instance:
            top.shared = True
        self._push(top)

    # Containers

    def _container(self, kind: str) -> Container:
        self._retained += _CONTAINER_BYTES
        return Container(kind)

    def _empty_list(self) -> None:
        self._push(self._container("list"))

    def _empty_dict(self) -> None:
        self._push(self._container("dict"))

    def _empty_set(self) -> None:
        self._push(self._container("set"))

    def _empty_tuple(self) -> None:
        self._push(_EMPTY_TUPLE)

    def _tuple_of(self, count: int) -> None:
        items = [self._pop() for _ in range(count)]
        self._push_tuple(items[::-1])

    def _tuple1(self) -> None:
        self._tuple_of(1)

    def _tuple2(self) -> None:
        self._tuple_of(2)

    def _tuple3(self) -> None:
        self._tuple_of(3)

    def _tuple(self) -> None:
        self._push_tuple(self._pop_mark())

    def _push_tuple(self, items: list[object]) -> None:
        self._retained += _CONTAINER_BYTES + _ITEM_BYTES * min(len(items), RETAINED_ITEMS)
        self._push(Tuple(items))

    def _filled(self, kind: str) -> None:
        items = self._pop_mark()
        container = self._container(kind)
        self._push(container)
        self._fill(container, items)

    def _list(self) -> None:
        self._filled("list")

    def _dict(self) -> None:
        self._filled("dict")

    def _frozenset(self) -> None:
        self._filled("frozenset")

    def _fill(self, container: Container, items: list[object]) -> None:
        for item in items:
            if type(item) in _CARRIERS and (function := carried(item)) is not None:
                self.observer.carried(function, self.window.offset)
        if container.whole:
            self._retained += _ITEM_BYTES * min(len(items), RETAINED_ITEMS)
        container.extend(items)

    def _put_in(self, how: str, kind: str, items: list[object]) -> None:
        target = self._top()
        if not items:
            return
        if type(target) is Container:
            self._put_in_container(how, kind, target, items)
        elif type(target) is not Opaque and not isinstance(target, WITHOUT_METHODS):
            self.observer.extended(how, target, items, self.window.offset)
        elif type(target) is not Opaque or target.kind not in {"bytearray", "buffer"}:
            raise FormatError(f"{how} to something that takes no items")

    def _put_in_container(self, how: str, kind: str, target: Container, items: list[object]) -> None:
        replaces = kind == "dict" and target.kind == "list"
        if target.kind != kind and not replaces:
            raise FormatError(f"{how} to something that takes no items")
        if target.frozen:
            self.observer.evasive("it changes a container that was used before", self.window.offset)
        if replaces:
            # list[index] = value: what stands where is not kept.
            target.whole = False
        self._fill(target, items)

    def _append(self) -> None:
        item = self._pop()
        self._put_in("APPEND", "list", [item])

    def _appends(self) -> None:
        items = self._pop_mark()
        self._put_in("APPENDS", "list", items)

    def _setitem(self) -> None:
        value = self._pop()
        key = self._pop()
        self._put_in("SETITEM", "dict", [key, value])

    def _setitems(self) -> None:
        items = self._pop_mark()
        self._put_in("SETITEMS", "dict", items)

    def _additems(self) -> None:
        items = self._pop_mark()
        self._put_in("ADDITEMS", "set", items)

    # The memo

    def _store(self, index: int) -> None:
        if index < 0:
            raise FormatError("a memo index is negative")
        self.memo.put(index, self._top())

    def _put(self) -> None:
        # Most text fails here, however long its first line is.
        self._top()
        self._store(self._decimal_line())

    def _binput(self) -> None:
        self._store(self.window.take(1)[0])

    def _long_binput(self) -> None:
        self._store(int.from_bytes(self.window.take(4), "little"))

    def _memoize(self) -> None:
        self._store(len(self.memo))

    def _get(self) -> None:
        if not len(self.memo):
            raise FormatError("a memo entry is read that was never written")
        self._push(self.memo.get(self._decimal_line()))

    def _binget(self) -> None:
        self._push(self.memo.get(self.window.take(1)[0]))

    def _long_binget(self) -> None:
        self._push(self.memo.get(int.from_bytes(self.window.take(4), "little")))
