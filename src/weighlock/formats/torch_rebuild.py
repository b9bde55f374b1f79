"""What the functions that torch's checkpoints name would make of their arguments, as symbols.

Source:
    ``torch/_utils.py`` (``_rebuild_*``) and ``torch/_tensor.py`` (``_rebuild_from_type_v2``) of PyTorch 1.x and 2.x.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn

from weighlock.errors import FormatError
from weighlock.formats.pickle.values import Container, Global, Instance, Tuple
from weighlock.formats.torch_tensors import ITEM_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from weighlock.formats.pickle.keeper import Keeper

OTHER = "other"
ORDERED_DICT = "collections.OrderedDict"

_TENSOR = "tensor"
_BUFFER = "torch.nn.parameter.Buffer"
_PARAMETER = "torch.nn.parameter.Parameter"
_TENSOR_TYPES = {"torch.Tensor", "torch._tensor.Tensor", _PARAMETER, _BUFFER}
_UTILS = "torch._utils."

# What these functions make has no room in a plain tensor.
_KINDS = {
    "_rebuild_device_tensor_from_cpu_tensor": "a tensor of another device",
    "_rebuild_device_tensor_from_numpy": "a tensor of another device",
    "_rebuild_meta_tensor_no_storage": "a tensor on the meta device, which has no data",
    "_rebuild_nested_tensor": "a nested tensor",
    "_rebuild_qtensor": "a quantized tensor",
    "_rebuild_sparse_csr_tensor": "a sparse tensor",
    "_rebuild_sparse_tensor": "a sparse tensor",
    "_rebuild_wrapper_subclass": "a tensor of a class of its own",
    "_rebuild_xla_tensor": "a tensor of another device",
}


@dataclass(frozen=True, slots=True)
class Memory:
    """A storage as the pickle names it: key, data type, device and bytes."""

    key: str
    dtype: str
    location: str
    size: int


@dataclass(frozen=True, slots=True)
class View:
    """A tensor as the pickle describes it, with the storage that it names."""

    memory: Memory
    dtype: str
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    requires_grad: bool
    is_parameter: bool = False


class OrderedItems:
    """An ``OrderedDict`` on its way: keys and values in turn, and the state that BUILD gave it."""

    __slots__ = ("items", "state")

    def __init__(self, items: list[object]) -> None:
        self.items = items
        self.state: object = None


class Size:
    """A ``torch.Size`` as a value."""

    __slots__ = ("lengths",)

    def __init__(self, lengths: tuple[int, ...]) -> None:
        self.lengths = lengths

    def __str__(self) -> str:
        return "torch.Size"


def _integers(machine: Keeper, value: object) -> tuple[int, ...]:
    """Return a literal tuple or list of integers, or a ``torch.Size``."""
    if isinstance(value, Instance) and value.kind == OTHER and isinstance(value.detail, Size):
        return value.detail.lengths
    listed = isinstance(value, Tuple) or (isinstance(value, Container) and value.kind == "list")
    items = machine.items(value) if listed and isinstance(value, (Tuple, Container)) else [None]
    found = tuple(item for item in items if type(item) is int)
    if len(found) != len(items):
        refuse("the shape of a tensor is not a list of integers")
    return found


def _ordered_dict(machine: Keeper, args: list[object]) -> Instance:
    """Make an ``OrderedDict``, which Python 2 wrote with a list of pairs."""
    items: list[object] = []
    for pair in _sequence(machine, args[0]) if len(args) == 1 else []:
        parts = _sequence(machine, pair)
        if len(parts) != 2:
            refuse("an OrderedDict is made of something else than pairs")
        items += parts
    if len(args) > 1:
        refuse("an OrderedDict is made of something else than pairs")
    return Instance(ORDERED_DICT, OrderedItems(items))


def _sequence(machine: Keeper, value: object) -> list[object]:
    if not isinstance(value, (Tuple, Container)) or getattr(value, "kind", "list") != "list":
        refuse("an OrderedDict is made of something else than pairs")
    return machine.items(value)


def _size(machine: Keeper, args: list[object]) -> Instance:
    """Make a ``torch.Size``."""
    if len(args) != 1:
        refuse("a size is made of something else than integers")
    return Instance(OTHER, Size(_integers(machine, args[0])))


def _encoded(_machine: Keeper, args: list[object]) -> Instance:
    """Make bytes, which protocols 0 to 2 write as text in Latin-1."""
    if len(args) == 2 and isinstance(args[0], str) and args[1] in {"latin1", "latin-1"}:
        try:
            return Instance("bytes", args[0].encode("latin-1"))
        except UnicodeEncodeError:
            refuse("text does not fit its encoding")
    return Instance(OTHER, "bytes")


def _tensor(machine: Keeper, args: list[object]) -> Instance:
    """Make a tensor of storage, offset, shape, stride, whether it requires a gradient, hooks and metadata."""
    if not 4 <= len(args) <= 7:
        refuse("a tensor is made in a way that torch.save does not write")
    return _view(machine, args[:6], None, args[6] if len(args) == 7 else None)


def _old_tensor(machine: Keeper, args: list[object]) -> Instance:
    """Make a tensor of storage, offset, shape and stride."""
    if len(args) != 4:
        refuse("a tensor is made in a way that torch.save does not write")
    return _view(machine, args, None, None)


def _typed_tensor(machine: Keeper, args: list[object]) -> Instance:
    """Make a tensor of a data type that has no storage of its own."""
    if not 7 <= len(args) <= 8:
        refuse("a tensor is made in a way that torch.save does not write")
    dtype = args[6]
    if not isinstance(dtype, Global) or dtype.module != "torch" or dtype.name not in ITEM_BYTES:
        refuse("a tensor has an unknown data type")
    return _view(machine, args[:6], dtype.name, args[7] if len(args) == 8 else None)


def _view(machine: Keeper, args: list[object], dtype: str | None, metadata: object) -> Instance:
    storage, offset, shape, stride = args[:4]
    requires_grad = args[4] if len(args) > 4 else False
    if not isinstance(storage, Instance) or not isinstance(storage.detail, Memory):
        # Of bytes that torch.load would load in turn, for example.
        return Instance(OTHER, "a tensor whose storage is not in the checkpoint")
    if type(offset) is not int or type(requires_grad) is not bool:
        refuse("a tensor is made in a way that torch.save does not write")
    if not _is_empty(machine, args[5] if len(args) > 5 else None):
        return Instance(OTHER, "a tensor with hooks")
    flags = _flags(machine, metadata)
    if flags:
        return Instance(OTHER, f"a tensor that is a lazy view ({', '.join(flags)})")
    memory = storage.detail
    lengths, steps = _integers(machine, shape), _integers(machine, stride)
    return Instance(_TENSOR, View(memory, dtype or memory.dtype, offset, lengths, steps, requires_grad))


def _flags(machine: Keeper, metadata: object) -> list[str]:
    """Return what the metadata of a tensor say of it, such as that it is to be conjugated when it is read."""
    if metadata is None:
        return []
    if not isinstance(metadata, Container) or metadata.kind != "dict":
        refuse("the metadata of a tensor are not a dict")
    items = machine.items(metadata)
    pairs = list(zip(items[::2], items[1::2], strict=True))
    return [str(key) if isinstance(key, str) else "unknown" for key, value in pairs if value is not False]


def _is_empty(machine: Keeper, value: object) -> bool:
    """Tell whether hooks or attributes are none at all."""
    if value is None:
        return True
    if isinstance(value, Tuple):
        return all(_is_empty(machine, item) for item in machine.items(value))
    if isinstance(value, Instance) and isinstance(value.detail, OrderedItems):
        return not value.detail.items and value.detail.state is None
    return isinstance(value, Container) and value.kind == "dict" and not machine.items(value)


def _is_of_buffer(machine: Keeper, state: object) -> bool:
    """Tell whether attributes are those that every ``torch.nn.Buffer`` has."""
    items = machine.items(state) if isinstance(state, Container) and state.kind == "dict" else [None]
    named = all(isinstance(key, str) and key in {"persistent", "_is_buffer"} for key in items[::2])
    return named and all(type(value) is bool for value in items[1::2])


def _parameter(machine: Keeper, args: list[object]) -> Instance:
    """Make a parameter of a tensor, whether it requires a gradient, hooks and, maybe, attributes."""
    if not 3 <= len(args) <= 4 or type(args[1]) is not bool or not isinstance(args[0], Instance):
        refuse("a parameter is made in a way that torch.save does not write")
    inner = args[0]
    if not isinstance(inner.detail, View):
        return inner if inner.kind == OTHER else Instance(OTHER, "a parameter without a tensor")
    if not _is_empty(machine, args[2]):
        return Instance(OTHER, "a tensor with hooks")
    if not _is_empty(machine, args[3] if len(args) == 4 else None):
        return Instance(OTHER, "a tensor with attributes")
    return Instance(_TENSOR, replace(inner.detail, requires_grad=args[1], is_parameter=True))


def _of_type(machine: Keeper, args: list[object]) -> Instance:
    """Make a tensor by another function, give it a class and attributes."""
    if len(args) != 4 or not isinstance(args[0], Global) or not isinstance(args[1], Global):
        refuse("a tensor is made in a way that torch.save does not write")
    function, cls = str(args[0]), str(args[1])
    if cls not in _TENSOR_TYPES:
        return Instance(OTHER, f"a tensor of the class {cls}")
    if not _is_empty(machine, args[3]) and not _is_of_buffer(machine, args[3]):
        return Instance(OTHER, "a tensor with attributes")
    make = _PLAIN_TENSORS.get(function)
    if make is None or not isinstance(args[2], Tuple):
        return Instance(OTHER, _KINDS.get(function.removeprefix(_UTILS), function))
    made = make(machine, machine.items(args[2]))
    if isinstance(made.detail, View) and cls == _PARAMETER:
        return Instance(_TENSOR, replace(made.detail, is_parameter=True))
    return made


def refuse(message: str) -> NoReturn:
    """End the reading.

    Raises:
        FormatError: Always.
    """
    raise FormatError(message)


_PLAIN_TENSORS: dict[str, Callable[[Keeper, list[object]], Instance]] = {
    f"{_UTILS}_rebuild_tensor": _old_tensor,
    f"{_UTILS}_rebuild_tensor_v2": _tensor,
    f"{_UTILS}_rebuild_tensor_v3": _typed_tensor,
}


def _named(what: str) -> Callable[[Keeper, list[object]], Instance]:
    return lambda _machine, _args: Instance(OTHER, what)


MAKERS: dict[str, Callable[[Keeper, list[object]], Instance]] = {
    **_PLAIN_TENSORS,
    f"{_UTILS}_rebuild_parameter": _parameter,
    f"{_UTILS}_rebuild_parameter_with_state": _parameter,
    "torch._tensor._rebuild_from_type_v2": _of_type,
    "torch._tensor._rebuild_from_type": _of_type,
    "torch.tensor._rebuild_from_type_v2": _of_type,
    "torch.tensor._rebuild_from_type": _of_type,
    "torch.Size": _size,
    "_codecs.encode": _encoded,
    ORDERED_DICT: _ordered_dict,
    **{f"{_UTILS}{name}": _named(what) for name, what in _KINDS.items()},
}
