"""The object of a torch checkpoint as a tree of plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from weighlock.errors import FormatError
from weighlock.formats.pickle.values import Container, Instance, Tuple
from weighlock.formats.torch_objects import describe, is_constant, size_of, text_of
from weighlock.formats.torch_rebuild import OrderedItems, View
from weighlock.formats.torch_tensors import Storage, TensorView, require_inside

if TYPE_CHECKING:
    from collections.abc import Mapping

    from weighlock.formats.pickle.keeper import Keeper
    from weighlock.formats.torch_rebuild import Memory

_MOST_LEVELS = 100


@dataclass(frozen=True, slots=True)
class Other:
    """An object that is no plain value, by what it is: ``numpy.dtype``, ``a quantized tensor``."""

    what: str


@dataclass(frozen=True, slots=True, eq=False)
class ListNode:
    """A list. The same one may stand at several places."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False)
class DictNode:
    """A dict. The same one may stand at several places.

    Args:
        kind: ``dict`` or ``OrderedDict``.
        items: In the order of the dict; keys are constants or tuples of constants.
        state: Attributes of an ``OrderedDict``, such as ``_metadata`` of a state dict.
    """

    kind: str
    items: Mapping[object, Node]
    state: Mapping[str, Node] = field(default_factory=lambda: MappingProxyType({}))


Node: TypeAlias = (
    "DictNode | ListNode | TensorView | Other | tuple[Node, ...] | str | bytes | int | float | bool | None"
)


def storage_of(memory: Memory, offset: int) -> Storage:
    """Return a storage with its place in the source."""
    return Storage(key=memory.key, dtype=memory.dtype, location=memory.location, offset=offset, size=memory.size)


class Tree:
    """Turns the symbols of one pickle into nodes, each symbol once.

    Args:
        machine: Has executed the pickle.
        storages: By their keys.
    """

    def __init__(self, machine: Keeper, storages: Mapping[str, Storage]) -> None:
        self._machine = machine
        self._storages = storages
        self._done: dict[int, Node] = {}
        self._open: set[int] = set()

    def node(self, symbol: object, level: int = 0) -> Node:
        """Return the node of a symbol.

        Raises:
            FormatError: An object holds itself, or is nested too deeply, or a tensor is not one.
        """
        if is_constant(symbol):
            return text_of(symbol) if isinstance(symbol, str) else symbol  # type: ignore[return-value]
        known = id(symbol)
        if known not in self._done:
            if known in self._open or level > _MOST_LEVELS:
                raise FormatError("an object holds itself or is nested too deeply")
            self._open.add(known)
            self._done[known] = self._made(symbol, level + 1)
            self._open.discard(known)
        return self._done[known]

    def _made(self, symbol: object, level: int) -> Node:
        if isinstance(symbol, Tuple):
            return tuple(self.node(item, level) for item in self._machine.items(symbol))
        if isinstance(symbol, Container) and symbol.kind == "list":
            return ListNode(tuple(self.node(item, level) for item in self._machine.items(symbol)))
        if isinstance(symbol, Container) and symbol.kind == "dict":
            return DictNode("dict", self._pairs(self._machine.items(symbol), level))
        if isinstance(symbol, Instance):
            return self._instance(symbol, level)
        return Other(describe(symbol))

    def _instance(self, symbol: Instance, level: int) -> Node:
        detail = symbol.detail
        if isinstance(detail, View):
            return self._tensor(detail)
        if isinstance(detail, OrderedItems):
            return DictNode("OrderedDict", self._pairs(detail.items, level), self._state(detail.state, level))
        if isinstance(detail, bytes):
            return detail
        lengths = size_of(symbol)
        return Other(describe(symbol)) if lengths is None else lengths

    def _state(self, state: object, level: int) -> Mapping[str, Node]:
        pairs = self._pairs(self._machine.items(state), level) if isinstance(state, Container) else {}
        return MappingProxyType({key: value for key, value in pairs.items() if isinstance(key, str)})

    def _pairs(self, items: list[object], level: int) -> Mapping[object, Node]:
        found: dict[object, Node] = {}
        for key, value in zip(items[::2], items[1::2], strict=True):
            name = self.node(key, level)
            if not _is_key(name):
                raise FormatError("the key of a dict is neither a constant nor a tuple of constants")
            if name in found:
                raise FormatError("a dict is given one key twice")
            found[name] = self.node(value, level)
        return MappingProxyType(found)

    def _tensor(self, view: View) -> TensorView:
        storage = self._storages[view.memory.key]
        if not view.memory.size:
            # Several of these may share a key, each of a data type of its own.
            storage = storage_of(view.memory, storage.offset)
        made = TensorView(
            dtype=view.dtype,
            shape=view.shape,
            stride=view.stride,
            offset=view.offset,
            storage=storage,
            requires_grad=view.requires_grad,
            is_parameter=view.is_parameter,
        )
        require_inside(made)
        return made


def _is_key(value: object) -> bool:
    # Tuples in tuples could hold each other so often that to compare them takes for ever.
    parts = value if isinstance(value, tuple) else (value,)
    return all(is_constant(part) and part == part for part in parts)  # noqa: PLR0124 - a NaN is no key
