"""Symbols: what the stack of the machine holds in place of objects.

Small constants stand for themselves (``int``, ``float``, ``bool``, ``None``, ``str``, ``bytes``), everything
else is one of the classes below.
"""

from __future__ import annotations

# A container keeps this many of its items for the argument contracts; of the others it keeps only whether
# one of them carries a function. Real constructor arguments are far shorter.
RETAINED_ITEMS = 256


class Symbol:
    """Anything on the stack that is not a small constant."""

    __slots__ = ()


class Opaque(Symbol):
    """A constant whose value is not kept.

    Args:
        kind: ``"text"``, ``"bytes"``, ``"bytearray"``, ``"number"`` or ``"buffer"``.
        offset: Where its bytes start, from the start of the source.
        size: How many bytes it has.
    """

    __slots__ = ("kind", "offset", "size")

    def __init__(self, kind: str, offset: int = 0, size: int = 0) -> None:
        self.kind = kind
        self.offset = offset
        self.size = size


NUMBER = Opaque("number")
TEXT = Opaque("text")


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
    """

    __slots__ = ("detail", "kind")

    def __init__(self, kind: str, detail: object = None) -> None:
        self.kind = kind
        self.detail = detail


class Tuple(Symbol):
    """A tuple. It cannot change, so what it carries is known once it is made."""

    __slots__ = ("carries", "items")

    def __init__(self, items: list[object]) -> None:
        self.items = items
        self.carries = next((found for item in items if (found := carried(item)) is not None), None)


class Container(Symbol):
    """A literal list, dict, set or frozenset.

    ``items`` holds the first `RETAINED_ITEMS` items; for a dict keys and values in turn. ``whole`` says
    whether these are all.
    """

    __slots__ = ("items", "kind", "whole")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.items: list[object] = []
        self.whole = True

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
