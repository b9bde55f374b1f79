"""torch before its zip archives: five pickles with memory behind them, or a tar whose members mix both.

Nothing says where the memory ends but the memory itself: each storage begins with the number of its items.

Source:
    ``torch/serialization.py`` (``_legacy_save``, ``_legacy_load``), ``torch/csrc/serialization.cpp``
    (``THPStorage_readFileRaw``) and ``torch/storage.py`` (``_storage_type_to_dtype_map``) of PyTorch 0.1 to 2.13.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.errors import FormatError, OverBudgetError
from weighlock.formats.pickle.machine import Machine
from weighlock.formats.pickle.values import Container

if TYPE_CHECKING:
    from weighlock.formats.pickle.memo import Memo
    from weighlock.formats.pickle.observer import Observer
    from weighlock.formats.pickle.window import Window

# _legacy_save: this number, the version, facts about the system, the object, the keys of the storages in order.
MAGIC = 0x1950A86A20F9469CFC6C
VERSION = 1001
PICKLES = 5
OBJECT = 3
KEYS = 4

# The readings of the two layouts, as traces and inspections name them.
LEGACY = "torch-legacy"
TAR = "torch-tar"

_BYTES = {
    "BFloat16": 2, "Bool": 1, "Byte": 1, "Char": 1, "ComplexDouble": 16, "ComplexFloat": 8, "Double": 8, "Float": 4,
    "Half": 2, "Int": 4, "Long": 8, "QInt32": 4, "QInt8": 1, "QUInt2x4": 1, "QUInt4x2": 1, "QUInt8": 1, "Short": 2,
    "Untyped": 1, "_Untyped": 1,
}  # fmt: skip

# A key is the decimal address of a storage. Nothing else is text of one meaning in every encoding that
# torch.load may be told to decode Python 2 strings with.
_KEY = re.compile(r"-?[0-9]{1,20}")

# The reader multiplies modulo 2**64; no file has as many bytes as half of that.
_MOST_BYTES = 1 << 62

# A checkpoint has some ten thousand; each takes a few hundred bytes to remember.
_MOST_STORAGES = 200_000
_LIST_ITEM_BYTES = 120


def element_size(name: str) -> int | None:
    """Return the bytes of one item of a storage type such as ``FloatStorage``, or ``None`` where it is not known."""
    return _BYTES.get(name.removesuffix("Storage")) if name.endswith("Storage") else None


@dataclass(frozen=True, slots=True)
class Memory:
    """What a persistent id tells of a storage.

    Args:
        element: Bytes of one item.
        count: Items, or ``None`` where the number was not kept.
    """

    element: int
    count: int | None


class Storages:
    """What the persistent ids of one pickle tell of its storages. As for the reader, the first id of a key counts."""

    __slots__ = ("_known", "_unclear")

    def __init__(self) -> None:
        self._known: dict[str, Memory | None] = {}
        self._unclear = False

    def note(self, key: object, memory: Memory | None) -> None:
        """Remember a storage.

        Args:
            key: Any symbol.
            memory: ``None`` for a part of another storage and for one whose type is not known.

        Raises:
            OverBudgetError: There are too many.
        """
        if not isinstance(key, str) or not _KEY.fullmatch(key):
            # It might be the same as another one, so that none of them is known any more.
            self._unclear = True
            return
        self._known.setdefault(key, memory)
        if len(self._known) > _MOST_STORAGES:
            raise OverBudgetError("over the budget for storages")

    def memory(self, key: object) -> Memory:
        """Return what is known of a storage in the list of keys.

        Raises:
            FormatError: Too little to tell how many bytes its memory has.
        """
        memory = self._known.get(key) if isinstance(key, str) else None
        if memory is None or self._unclear:
            raise FormatError("the list of storages names one whose size is not known")
        return memory


class KeyMachine(Machine):
    """Executes the fifth pickle and keeps the whole list of keys, which may be longer than what contracts look at."""

    def __init__(self, window: Window, observer: Observer, memo: Memo | None = None) -> None:
        super().__init__(window, observer, memo)
        self._lists: dict[int, tuple[Container, list[object]]] = {}
        self._replaced = False

    def keys(self, result: object) -> list[object]:
        """Return the items of the list that the pickle comes to.

        Args:
            result: What `run` returned.

        Raises:
            FormatError: It is not a list, or not known to its end.
        """
        if type(result) is not Container or result.kind != "list" or self._replaced:
            raise FormatError("the fifth pickle is not a list of storages")
        return self._lists[id(result)][1] if id(result) in self._lists else []

    def _put_in_container(self, how: str, kind: str, target: Container, items: list[object]) -> None:
        self._replaced |= kind != target.kind
        super()._put_in_container(how, kind, target, items)

    def _fill(self, container: Container, items: list[object]) -> None:
        super()._fill(container, items)
        if container.kind == "list":
            self._retained += _LIST_ITEM_BYTES * len(items)
            self._lists.setdefault(id(container), (container, []))[1].extend(items)


def pass_memory(window: Window, memory: Memory) -> None:
    """Pass over the memory of one storage: the number of its items in eight bytes, and the items.

    Raises:
        FormatError: The number is not that of the storage, or there are fewer bytes.
    """
    count = int.from_bytes(window.take(8), "little", signed=True)
    size = count * memory.element
    if not 0 <= size < _MOST_BYTES or memory.count not in {None, count}:
        raise FormatError("the memory of a storage has not the size of the storage")
    window.skip(size)


def pass_tensor(window: Window) -> None:
    """Pass over a tensor of the tar: dimensions in four bytes and four unused ones, sizes, strides and the offset.

    Raises:
        FormatError: The number of dimensions is negative, or there are fewer bytes.
    """
    dimensions = int.from_bytes(window.take(8)[:4], "little", signed=True)
    if dimensions < 0:
        raise FormatError("a tensor has a negative number of dimensions")
    window.skip(16 * dimensions + 8)
