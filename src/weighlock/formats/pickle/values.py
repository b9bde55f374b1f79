"""Symbols: what the stack of the machine holds in place of objects.

Small constants stand for themselves (``int``, ``float``, ``bool``, ``None``, ``str``, ``bytes``), everything
else is one of the classes below.
"""

from __future__ import annotations

# A container keeps this many of its items for the argument contracts; of the others it keeps only whether
# one of them carries a function. The longest that a contract looks into are the attributes of an `argparse.Namespace`.
RETAINED_ITEMS = 2048


class Symbol:
    """Anything on the stack that is not a small constant."""

    __slots__ = ()


class Opaque(Symbol):
    """A constant whose value is not kept.

    Args:
        kind: ``"text"`` (UTF-8), ``"line"`` (text with escapes), ``"native"`` (a Python 2 string, whose meaning the
            loader chooses), ``"quoted"`` (the same with escapes), ``"bytes"``, ``"bytearray"``, ``"number"`` or
            ``"buffer"``.
        offset: Where its bytes start, from the start of the source.
        size: How many bytes it has.
    """

    __slots__ = ("kind", "offset", "size")

    def __init__(self, kind: str, offset: int = 0, size: int = 0) -> None:
        self.kind = kind
        self.offset = offset
        self.size = size


NUMBER = Opaque("number")


class Native(str):
    """A short Python 2 string in ASCII. Loaders that choose an encoding like UTF-7 see another text."""

    __slots__ = ()


class Run(Symbol):
    """Many numbers, truth values or ``None`` in a row, as one item of the stack."""

    __slots__ = ("count",)

    def __init__(self, count: int) -> None:
        self.count = count


class Global(Symbol):
    """A name that the unpickler imports.

    Args:
        module: As written in the stream.
        name: As written in the stream; may be dotted.
        legacy: The stream's protocol was below 3, so the unpickler maps Python 2 names.
        offset: Of the opcode.

    ``entry`` is for the observer: what it knows of the name. ``inert`` says that whoever holds the object
    can do nothing with it that the observer would not see: it is a type or a constant, not a function.
    """

    __slots__ = ("entry", "inert", "legacy", "module", "name", "offset")

    def __init__(self, module: str, name: str, *, legacy: bool = False, offset: int = 0) -> None:
        self.module = module
        self.name = name
        self.legacy = legacy
        self.offset = offset
        self.entry: object = None
        self.inert = True

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class Instance(Symbol):
    """What a call returned.

    Args:
        kind: What it is, in the vocabulary of the observer, such as ``"numpy.ndarray"``.
        detail: What the observer wants to remember about it.

    ``shared`` says that the stack or the memo handed it out a second time: something else may hold it already.
    """

    __slots__ = ("detail", "kind", "shared")

    def __init__(self, kind: str, detail: object = None) -> None:
        self.kind = kind
        self.detail = detail
        self.shared = False


class Tuple(Symbol):
    """A tuple. It cannot change, so what it carries is known once it is made.

    ``items`` holds the first `RETAINED_ITEMS` items; ``whole`` says whether these are all.
    """

    __slots__ = ("carries", "items", "whole")

    def __init__(self, items: list[object]) -> None:
        self.whole = len(items) <= RETAINED_ITEMS
        self.items = items if self.whole else items[:RETAINED_ITEMS]
        self.carries: Global | None = None
        for item in items:
            if (type(item) is Global or type(item) is Tuple) and (found := carried(item)) is not None:
                self.carries = found
                break


class Container(Symbol):
    """A literal list, dict, set or frozenset.

    ``items`` holds the first `RETAINED_ITEMS` items; for a dict keys and values in turn. ``whole`` says
    whether these are all. ``frozen`` is for the observer: the items were relied on and must stay as they are.
    """

    __slots__ = ("frozen", "items", "kind", "whole")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.items: list[object] = []
        self.whole = True
        self.frozen = False

    def extend(self, items: list[object]) -> None:
        """Put symbols into the container."""
        room = RETAINED_ITEMS - len(self.items)
        if len(items) > room:
            self.whole = False
        if room > 0:
            self.items.extend(items[:room])

    def pairs(self) -> dict[object, object] | None:
        """Return a dict's items where all of them are kept and every key is a small constant, else ``None``."""
        keys = self.items[::2]
        if not self.whole or len(self.items) % 2 or not all(isinstance(key, CONSTANT) for key in keys):
            return None
        if any(type(item) is Run for item in self.items):
            # One symbol for many items: what is a key and what is a value cannot be told.
            return None
        return dict(zip(keys, self.items[1::2], strict=True))


CONSTANT = (str, int, bytes, float, type(None))


def carried(value: object) -> Global | None:
    """Return the first function that `value` carries as data without being able to change, or ``None``.

    Functions inside literal containers are reported when they are put there, so this need not look into them.
    """
    if type(value) is Global:
        return None if value.inert else value
    if type(value) is Tuple:
        return value.carries
    return None


def is_surely_true(value: object) -> bool:
    """Tell whether Python takes `value` for true, whatever the loader makes of what is not known of it."""
    if isinstance(value, (Tuple, Container)):
        return bool(value.items)
    if isinstance(value, Opaque):
        return value.size > 0
    return bool(value) and not isinstance(value, Symbol)
