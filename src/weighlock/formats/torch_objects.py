"""What the pickle of a torch checkpoint stands for: dicts, lists, constants and tensors, built as symbols.

Anything else is kept by its name alone. Nothing here has an opinion on what is dangerous: whoever reads a checkpoint
has had it judged before.

Source:
    ``torch/serialization.py`` (``persistent_load``) of PyTorch 1.x and 2.x.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn

from weighlock.errors import OverBudgetError
from weighlock.formats.pickle.values import CONSTANT, Container, Global, Instance, Native, Opaque, Tuple
from weighlock.formats.torch_rebuild import MAKERS, OTHER, Memory, OrderedItems, Size, refuse
from weighlock.formats.torch_tensors import ITEM_BYTES, STORAGE_DTYPES

if TYPE_CHECKING:
    from weighlock.formats.pickle.keeper import Keeper

_STORAGE = "storage"
_STORAGE_MODULES = {"torch", "torch.cuda", "torch.storage"}
_MOST_STORAGES = 200_000

# A number in the zip layout, the address of a storage in the one before it.
_KEY = re.compile(r"-?[0-9]{1,20}")


class Builder:
    """The observer that builds the object of a checkpoint.

    Args:
        parts: How many parts a persistent id of a storage has: 5 in the zip layout, 6 in the one before.

    Attributes:
        memories: Every storage that the pickle names, by its key.
        machine: Executes the pickle; to be set before it runs.
    """

    machine: Keeper

    def __init__(self, parts: int) -> None:
        self.memories: dict[str, Memory] = {}
        self._parts = parts

    # What the machine reports

    def imported(self, name: Global) -> None:
        """Take the name for what it is; that it may be imported was judged before."""
        name.inert = True

    def called(
        self,
        how: str,
        function: object,
        args: list[object] | Instance | None,
        keywords: object,
        offset: int,  # noqa: ARG002
    ) -> Instance:
        """Return what stands for the result."""
        if not isinstance(function, Global):
            return Instance(OTHER, "the result of a call")
        name = str(function)
        make = MAKERS.get(name) if how == "REDUCE" else None
        if make is None:
            return Instance(OTHER, name)
        if not isinstance(args, list) or (isinstance(keywords, Container) and keywords.items):
            refuse(f"{name} is called in a way that torch.save does not write")
        return make(self.machine, args)

    def built(self, target: object, state: object, offset: int) -> None:  # noqa: ARG002
        """Keep the attributes of an ``OrderedDict``, such as ``_metadata``."""
        if isinstance(target, Instance) and target.kind == OTHER:
            return
        detail = target.detail if isinstance(target, Instance) else None
        plain = isinstance(state, Container) and state.kind == "dict"
        if not isinstance(detail, OrderedItems) or detail.state is not None or not plain:
            refuse("something is given a state that torch.save does not write")
        detail.state = state

    def extended(self, how: str, target: object, items: list[object], offset: int) -> None:  # noqa: ARG002
        """Put items into an ``OrderedDict``."""
        if isinstance(target, Instance) and target.kind == OTHER:
            return
        detail = target.detail if isinstance(target, Instance) else None
        if not isinstance(detail, OrderedItems) or how not in {"SETITEM", "SETITEMS"} or len(items) % 2:
            refuse("items are put into something that is no list or dict")
        detail.items.extend(items)

    def carried(self, function: Global, offset: int) -> None:
        """Let it be data: it is kept by its name."""

    def persistent(self, identifier: object, offset: int) -> Instance:  # noqa: ARG002
        """Return the storage that a persistent id names."""
        items = self.machine.items(identifier) if isinstance(identifier, Tuple) else []
        if len(items) != self._parts or items[0] not in {"storage", b"storage"}:
            refuse("a persistent id does not name a storage as torch.save writes it")
        memory = _memory(items)
        if self.memories.setdefault(memory.key, memory) != memory and memory.size:
            refuse("a storage is named with two sizes or data types")
        if len(self.memories) > _MOST_STORAGES:
            raise OverBudgetError("over the budget for storages")
        return Instance(_STORAGE, memory)

    def constant(self, kind: str, offset: int, size: int) -> None:
        """Pass: it is data here."""

    def computed(self, module: object, name: object, offset: int) -> NoReturn:  # noqa: ARG002 - an observer is told
        """Refuse."""
        refuse("a name is computed")

    def extension(self, offset: int) -> NoReturn:  # noqa: ARG002
        """Refuse."""
        refuse("a name stands in the extension registry")

    def evasive(self, what: str, offset: int) -> NoReturn:  # noqa: ARG002
        """Refuse."""
        refuse(what)


def size_of(value: object) -> tuple[int, ...] | None:
    """Return the lengths of a symbol that stands for a ``torch.Size``, else ``None``."""
    return value.detail.lengths if isinstance(value, Instance) and isinstance(value.detail, Size) else None


def text_of(value: object) -> str | None:
    """Return a text that means the same in every encoding that torch.load may be told, else ``None``."""
    return str(value) if isinstance(value, (str, Native)) else None


def describe(value: object) -> str:
    """Say in a few words what a symbol stands for that has no place in a plain tree."""
    if isinstance(value, Global):
        return str(value)
    if isinstance(value, Instance):
        return "a storage without a tensor" if value.kind == _STORAGE else str(value.detail)
    if isinstance(value, Opaque):
        return f"a {value.kind} whose value was not kept"
    return f"a {value.kind}" if isinstance(value, Container) else type(value).__name__


def is_constant(value: object) -> bool:
    """Tell whether a symbol stands for itself."""
    return isinstance(value, CONSTANT)


def _memory(items: list[object]) -> Memory:
    kind, key, location, count = items[1:5]
    if len(items) == 6 and items[5] is not None:
        refuse("a storage is a part of another one")
    known = isinstance(kind, Global) and kind.module in _STORAGE_MODULES
    dtype = STORAGE_DTYPES.get(kind.name) if isinstance(kind, Global) and known else None
    name, place = text_of(key), _ascii(location)
    if (
        dtype is None
        or name is None
        or not _KEY.fullmatch(name)
        or place is None
        or type(count) is not int
        or not 0 <= count < 1 << 58
    ):
        refuse("a persistent id does not name a storage as torch.save writes it")
    return Memory(name, dtype, place, count * ITEM_BYTES[dtype])


def _ascii(value: object) -> str | None:
    if isinstance(value, bytes) and value.isascii():
        return value.decode("ascii")
    return text_of(value)
