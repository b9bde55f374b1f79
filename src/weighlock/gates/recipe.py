"""How the result of a load is built from a twin: plain values, which the runtime follows without the engine."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from weighlock.errors import FormatError
from weighlock.formats.torch_checkpoint import ZIP, DictNode, ListNode, TensorView

if TYPE_CHECKING:
    from collections.abc import Mapping

    from weighlock.formats.torch_checkpoint import Checkpoint
    from weighlock.formats.torch_checkpoint import Storage as CheckpointStorage
    from weighlock.formats.twin import Stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """The bytes of one tensor.

    Args:
        file: Index of the file of the twin.
        offset: Where they begin in it.
        size: How many there are.
    """

    file: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A tensor of the checkpoint.

    Args:
        storage: Index of the storage that it is on.
        dtype: As torch names it.
        shape: Its dimensions.
        stride: Elements from one index to the next, for each dimension.
        offset: Of its first element, in elements.
        in_order: Its elements lie in the storage as in the twin.
        requires_grad: Whether it does.
        parameter: It is a ``torch.nn.Parameter``.
        piece: Its bytes in the twin, without gaps.
    """

    storage: int
    dtype: str
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int
    in_order: bool
    requires_grad: bool
    parameter: bool
    piece: Piece

    @property
    def item(self) -> int:
        """Bytes of each element; one for a tensor without elements."""
        return self.piece.size // (math.prod(self.shape) or 1) or 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """Memory that tensors of the checkpoint are on.

    Args:
        location: The device, as the checkpoint names it.
        size: Bytes.
        alignment: Bytes of the largest element on it.
        views: Indices of the tensors on it.
        piece: The bytes of the twin that are its own, if there are such; otherwise each tensor has to be put in place.
    """

    location: str
    size: int
    alignment: int
    views: tuple[int, ...]
    piece: Piece | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How to build what a checkpoint holds.

    Args:
        legacy: It is of the layout before zip archives, which torch does not map into memory.
        storages: In the order of their first use.
        views: Each tensor once.
        root: ``(kind, content)``: ``tensor`` with the index of a view; ``value``; ``list`` and ``tuple`` with nodes;
            ``dict`` and ``ordered`` with pairs of nodes and pairs of attributes.
    """

    legacy: bool
    storages: tuple[Storage, ...]
    views: tuple[View, ...]
    root: tuple[str, Any]


def make_recipe(checkpoint: Checkpoint, views: Mapping[str, TensorView], matched: Mapping[str, Stored]) -> Recipe:
    """Arrange what was read of a checkpoint: storages in the order of their first use, and each tensor once.

    Args:
        checkpoint: As it was read.
        views: Its tensors by name.
        matched: Where the twin has each of them; the name of a file is its index.

    Raises:
        FormatError: It holds something beside the tensors that cannot be built from plain values.
    """
    memories: dict[CheckpointStorage, _Memory] = {}
    made: list[View] = []
    indices: dict[int, int] = {}
    for name, view in views.items():
        if id(view) in indices:
            continue
        memory = memories.setdefault(view.storage, _Memory(index=len(memories), storage=view.storage))
        stored = matched[name]
        piece = Piece(file=int(stored.file), offset=stored.offset, size=stored.tensor.end - stored.tensor.start)
        indices[id(view)] = len(made)
        memory.views.append(len(made))
        made.append(_view(view, memory.index, piece))
    return Recipe(
        legacy=checkpoint.layout != ZIP,
        storages=tuple(memory.finished(made) for memory in memories.values()),
        views=tuple(made),
        root=_node(checkpoint.root, indices),
    )


@dataclass(slots=True, kw_only=True)
class _Memory:
    index: int
    storage: CheckpointStorage
    views: list[int] = field(default_factory=list)

    def finished(self, made: list[View]) -> Storage:
        """Return the storage, with the bytes of the twin that are its own where all tensors on it are all of it."""
        views = [made[index] for index in self.views]
        size = self.storage.size
        whole = all(view.offset == 0 and view.piece.size == size and view.in_order for view in views)
        return Storage(
            location=self.storage.location,
            size=size,
            alignment=max(view.item for view in views),
            views=tuple(self.views),
            piece=views[0].piece if whole else None,
        )


def _view(view: TensorView, storage: int, piece: Piece) -> View:
    return View(
        storage=storage,
        dtype=view.dtype,
        shape=tuple(view.shape),
        stride=tuple(view.stride),
        offset=view.offset,
        in_order=view.is_contiguous,
        requires_grad=view.requires_grad,
        parameter=view.is_parameter,
        piece=piece,
    )


def _node(value: object, indices: Mapping[int, int]) -> tuple[str, Any]:
    if isinstance(value, TensorView):
        return "tensor", indices[id(value)]
    if isinstance(value, DictNode):
        pairs = tuple((_node(key, indices), _node(item, indices)) for key, item in value.items.items())
        attributes = tuple((name, _node(item, indices)) for name, item in value.state.items())
        return ("ordered" if value.kind == "OrderedDict" else "dict"), (pairs, attributes)
    if isinstance(value, ListNode | tuple):
        items = value.items if isinstance(value, ListNode) else value
        return ("list" if isinstance(value, ListNode) else "tuple"), tuple(_node(item, indices) for item in items)
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return "value", value
    raise FormatError("it holds something that is neither a tensor nor a plain value")
