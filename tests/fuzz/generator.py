"""Streams to judge: opcode-level mutations of honest pickles, and streams made up from scratch.

Everything comes from one `random.Random`, so that a seed and a number name a stream for ever.
"""

from __future__ import annotations

import pickletools
import random
from collections.abc import Callable, Sequence

from tests.corpus import opcodes as op
from weighlock import allowlist

#: Names that nobody's data needs, in the spellings that get around lists.
_HOSTILE = (
    ("os", "system"),
    ("posix", "system"),
    ("builtins", "eval"),
    ("builtins", "getattr"),
    ("__builtin__", "eval"),
    ("__builtin__", "reduce"),
    ("copy_reg", "_reconstructor"),
    ("collections", "_sys.modules.get"),
    ("os", "path.os.system"),
    ("functools", "partial"),
    ("numpy", "memmap"),
    ("torch", "load"),
    ("torch.storage", "_load_from_bytes"),
    ("pickle", "loads"),
    ("subprocess", "Popen"),
    ("builtins", "dict.update"),
    ("", ""),
    ("collections", ""),
    ("Collections", "OrderedDict"),
    ("collections", "OrderedDict "),
)
_ATOMS = (
    op.NONE,
    op.TRUE,
    op.FALSE,
    op.EMPTY_LIST,
    op.EMPTY_DICT,
    op.EMPTY_SET,
    op.EMPTY_TUPLE,
    op.integer(0),
    op.integer(7),
    op.integer(300),
    op.integer(-1),
    op.integer(1 << 40),
    op.int_line("0x1"),
    op.int_line("01"),
    op.int_line("010"),
    op.int_line("1_0"),
    op.long_line("3L"),
    op.float_line("nan"),
    op.float_line("1_0"),
    op.text("os"),
    op.text("system"),
    op.text("latin1"),
    op.text("rot13"),
    op.text("bf"),
    op.text("collections"),
    op.text("OrderedDict"),
    op.string_line("os"),
    op.short_binstring("os"),
    op.unicode_line("os"),
    op.binstring("system"),
    op.binunicode("é"),
    op.binbytes(b"b"),
    op.binbytes(b"cos\nsystem\n."),
    op.bytearray8(b"x"),
    op.binunicode8("b"),
    b"G?\xf0\x00\x00\x00\x00\x00\x00",
)
_OPCODES = (
    op.MARK,
    op.POP,
    op.POP_MARK,
    op.DUP,
    op.REDUCE,
    op.BUILD,
    op.OBJ,
    op.NEWOBJ,
    op.NEWOBJ_EX,
    op.APPEND,
    op.APPENDS,
    op.SETITEM,
    op.SETITEMS,
    op.ADDITEMS,
    op.LIST,
    op.DICT,
    op.TUPLE,
    op.FROZENSET,
    op.TUPLE1,
    op.TUPLE2,
    op.TUPLE3,
    op.STACK_GLOBAL,
    op.MEMOIZE,
    op.STOP,
    op.BINPERSID,
    op.NEXT_BUFFER,
    op.READONLY_BUFFER,
    op.ext(1),
    op.persid_line("0"),
    op.frame(0),
    op.frame(3),
    op.frame(1 << 16),
    op.proto(0),
    op.proto(2),
    op.proto(3),
    op.proto(4),
    op.proto(5),
    op.proto(6),
)


def tokens(data: bytes) -> list[bytes]:
    """Cut a pickle into its opcodes."""
    starts = [position for _, _, position in pickletools.genops(data)]
    return [data[start:end] for start, end in zip(starts, [*starts[1:], starts[-1] + 1], strict=True)]


class Generator:
    """Makes streams.

    Args:
        seed: For the random numbers.
        honest: Pickles to mutate, each as its opcodes.
    """

    def __init__(self, seed: int, honest: Sequence[list[bytes]]) -> None:
        self._random = random.Random(seed)
        self._honest = [one for one in honest if len(one) < 3000]
        self._data_names = [full.rpartition(".")[::2] for full in sorted(allowlist.ENTRIES)]
        mutations = (
            self._delete,
            self._double,
            self._exchange,
            self._insert,
            self._graft,
            self._rename,
            self._rememo,
            self._flip,
        )
        self._mutations: tuple[Callable[[list[bytes]], None], ...] = mutations

    def stream(self) -> bytes:
        """Make the next stream."""
        if self._random.random() < 0.4:
            data = op.proto(self._random.choice((0, 1, 2, 2, 3, 4, 4, 5))) + self._value(4) + op.STOP
        else:
            parts = list(self._random.choice(self._honest))
            for _ in range(self._random.choice((0, 1, 1, 1, 2, 3, 6))):
                self._random.choice(self._mutations)(parts)
            data = b"".join(parts)
        if self._random.random() < 0.05:
            data += self._random.choice((b"", b"\x00" * 8, b"\xff", self.stream()))
        return data

    def _delete(self, parts: list[bytes]) -> None:
        start = self._place(parts)
        del parts[start : start + self._random.choice((1, 1, 2, 5))]

    def _double(self, parts: list[bytes]) -> None:
        start = self._place(parts)
        parts[start:start] = parts[start : start + self._random.choice((1, 2, 5))]

    def _exchange(self, parts: list[bytes]) -> None:
        if parts:
            one, other = self._place(parts) % len(parts), self._place(parts) % len(parts)
            parts[one], parts[other] = parts[other], parts[one]

    def _insert(self, parts: list[bytes]) -> None:
        start = self._place(parts)
        made = self._random.choice((self._opcode, lambda: self._value(2), self._noise))()
        parts[start:start] = [made]

    def _graft(self, parts: list[bytes]) -> None:
        donor = self._random.choice(self._honest)
        start, source = self._place(parts), self._place(donor)
        length = self._random.choice((1, 3, 10, 40))
        parts[start : start + self._random.choice((0, 1, length))] = donor[source : source + length]

    def _rename(self, parts: list[bytes]) -> None:
        named = [number for number, part in enumerate(parts) if part[:1] in b"ci\x8cX\x93" and part]
        if not named:
            return
        number = self._random.choice(named)
        module, name = self._name()
        replaced = {
            b"c": op.glob(module, name),
            b"i": b"i" + op.glob(module, name)[1:],
            b"\x93": op.POP * 2 + self._global(),
        }
        parts[number] = replaced.get(parts[number][:1]) or op.text(self._random.choice((module, name)))

    def _rememo(self, parts: list[bytes]) -> None:
        memos = [number for number, part in enumerate(parts) if part[:1] in b"hjqrgp\x94" and part]
        if memos:
            index = self._random.choice((0, 1, 2, 5, 20, 255, 256, 5000))
            kinds = (op.get(index), op.put(index), op.MEMOIZE, op.get_line(f"0{index}"), op.put_line(f"{index}"))
            parts[self._random.choice(memos)] = self._random.choice(kinds)

    def _flip(self, parts: list[bytes]) -> None:
        number = self._place(parts) % max(len(parts), 1)
        if parts and parts[number]:
            part = bytearray(parts[number])
            part[self._random.randrange(len(part))] = self._random.randrange(256)
            parts[number] = bytes(part)

    def _place(self, parts: list[bytes]) -> int:
        return self._random.randrange(len(parts) + 1)

    def _opcode(self) -> bytes:
        return self._random.choice(_OPCODES)

    def _name(self) -> tuple[str, str]:
        kind = self._random.random()
        if kind < 0.6:
            return self._random.choice(self._data_names)
        if kind < 0.7:
            module, name = self._random.choice(self._data_names)
            return module, f"{name}.{self._random.choice(('__init__', '__reduce__', 'fromkeys', '__globals__'))}"
        return self._random.choice(_HOSTILE)

    def _global(self) -> bytes:
        module, name = self._name()
        spelled = (op.text, op.binunicode, op.unicode_line, op.short_binstring)
        apart = (
            self._random.choice(spelled)(module) + self._noise() + self._random.choice(spelled)(name) + op.STACK_GLOBAL
        )
        memo = (
            op.text(module)
            + op.put(9)
            + op.POP
            + op.text(name)
            + op.put(8)
            + op.POP
            + op.get(9)
            + op.get(8)
            + op.STACK_GLOBAL
        )
        return self._random.choice((op.glob(module, name), op.stack_glob(module, name), apart, memo))

    def _noise(self) -> bytes:
        """Make opcodes that leave the stack as it was, for a while."""
        value = self._random.choice(_ATOMS)
        index = self._random.randrange(12)
        kinds = (
            b"",
            value + op.POP,
            op.MARK + op.POP,
            op.MARK + value + op.POP_MARK,
            op.DUP + op.POP,
            op.put(index),
            op.MEMOIZE,
        )
        return self._random.choice(kinds)

    def _value(self, depth: int) -> bytes:
        """Make opcodes that push one value, if all goes well."""
        choices: list[Callable[[], bytes]] = [
            lambda: self._random.choice(_ATOMS),
            lambda: op.get(self._random.randrange(12)),
        ]
        if depth:
            inner = depth - 1
            choices += [
                lambda: self._container(inner),
                lambda: self._called(inner),
                lambda: self._built(inner),
                self._global,
            ]
        return self._random.choice(choices)() + (self._noise() if self._random.random() < 0.3 else b"")

    def _items(self, depth: int) -> list[bytes]:
        return [self._value(depth) for _ in range(self._random.randrange(4))]

    def _container(self, depth: int) -> bytes:
        items = self._items(depth)
        joined = b"".join(items)
        pairs = b"".join(self._random.choice(_ATOMS) + item for item in items)
        kinds = (
            op.EMPTY_LIST + op.MARK + joined + op.APPENDS,
            op.EMPTY_LIST + self._value(depth) + op.APPEND,
            op.EMPTY_DICT + op.MARK + pairs + op.SETITEMS,
            op.EMPTY_SET + op.MARK + joined + op.ADDITEMS,
            op.MARK + joined + op.TUPLE,
            op.MARK + joined + op.LIST,
            op.MARK + pairs + op.DICT,
            op.MARK + joined + op.FROZENSET,
            op.tup(*items),
        )
        return self._random.choice(kinds)

    def _called(self, depth: int) -> bytes:
        items = self._items(depth)
        module, name = self._name()
        kinds = (
            op.call(self._global(), *items),
            self._global() + op.tup(*items) + op.NEWOBJ,
            self._global() + op.tup(*items) + op.EMPTY_DICT + op.NEWOBJ_EX,
            op.inst(module, name, *items),
            op.MARK + self._global() + b"".join(items) + op.OBJ,
            op.call(self._value(depth), *items),
        )
        return self._random.choice(kinds)

    def _built(self, depth: int) -> bytes:
        target = self._random.choice((self._called, self._container))(depth)
        changes = (
            self._value(depth) + op.BUILD,
            op.mapping(append=self._global(), __setstate__=self._value(depth)) + op.BUILD,
            op.MARK + b"".join(self._items(depth)) + op.APPENDS,
            self._value(depth) + self._value(depth) + op.SETITEM,
            op.MARK + self._value(depth) + op.ADDITEMS,
        )
        return target + self._random.choice(changes)
