"""torch checkpoints as plain values: dicts, lists, constants and tensors that say where their bytes lie.

The zip layout of ``torch.save`` and the five pickles before it. Nothing is unpickled. Stricter than torch: where two
readers could come to two answers, such as two members of one name, there is none here.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from weighlock.errors import FormatError
from weighlock.formats import tar
from weighlock.formats import zip as zip_format
from weighlock.formats.pickle.keeper import Keeper
from weighlock.formats.pickle.window import Window
from weighlock.formats.torch_legacy import LEGACY, MAGIC, VERSION
from weighlock.formats.torch_nodes import DictNode, ListNode, Node, Other, Tree, storage_of
from weighlock.formats.torch_objects import Builder
from weighlock.formats.torch_tensors import ITEM_BYTES, Storage, TensorView, iter_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from weighlock.formats.source import Budget, RandomAccess
    from weighlock.formats.torch_rebuild import Memory
    from weighlock.formats.zip import ZipEntry

__all__ = [
    "ZIP",
    "Checkpoint",
    "DictNode",
    "ListNode",
    "Node",
    "Other",
    "Storage",
    "TensorView",
    "flat_tensors",
    "iter_bytes",
    "read_checkpoint",
]

ZIP = "torch-zip"

_ZIP_MAGIC = b"PK\x03\x04"
_PICKLE = "data.pkl"
_STORED = 0
_MOST_LEVELS = 100
_LARGEST_PICKLE = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A torch checkpoint.

    Args:
        layout: `ZIP` or `LEGACY`.
        root: What ``torch.load`` would return, as plain values.
        storages: Every storage that the checkpoint names, by its key.
    """

    layout: str
    root: Node
    storages: Mapping[str, Storage]


def read_checkpoint(source: RandomAccess, budget: Budget) -> Checkpoint:
    """Read what a torch checkpoint holds, but for the bytes of its tensors.

    Args:
        source: The whole file.
        budget: What it may cost.

    Raises:
        FormatError: It is no torch checkpoint, or one that readers could take for something else.
        OverBudgetError: It would cost more than the budget allows.

    Source:
        ``torch/serialization.py`` (``_load``, ``_legacy_load``) and ``caffe2/serialize/inline_container.cc`` of
        PyTorch 2.13.
    """
    if source.read_at(0, 4) == _ZIP_MAGIC:
        return _read_zip(source, budget)
    return _read_legacy(source, budget)


def flat_tensors(checkpoint: Checkpoint) -> dict[str, TensorView] | None:
    """Return the tensors of a plain state dict by their names, or ``None`` where the checkpoint is something else."""
    root = checkpoint.root
    if not isinstance(root, DictNode):
        return None
    found = {key: value for key, value in root.items.items() if isinstance(key, str) and isinstance(value, TensorView)}
    return found if len(found) == len(root.items) else None


# The zip layout


def _read_zip(source: RandomAccess, budget: Budget) -> Checkpoint:
    archive = zip_format.parse(source, budget)
    if archive.anomalies:
        raise FormatError(f"readers of the archive would disagree: {', '.join(archive.anomalies)}")
    members = _members(archive.entries)
    if "constants.pkl" in members:
        raise FormatError("it is a TorchScript archive, which holds code")
    _require_little_endian(source, members)
    content = _stored(source, members[_PICKLE])
    if content.size > _LARGEST_PICKLE:
        raise FormatError("the pickle of the checkpoint is larger than 1 GB")
    builder, machine = _machine(Window(content.open(), budget), 5)
    result = machine.run()
    if machine.window.offset != content.size:
        raise FormatError("bytes are left over behind the pickle of the checkpoint")
    storages = {key: _member_storage(memory, members) for key, memory in builder.memories.items()}
    return Checkpoint(layout=ZIP, root=Tree(machine, storages).node(result), storages=MappingProxyType(storages))


def _members(entries: tuple[ZipEntry, ...]) -> dict[str, ZipEntry]:
    """Return the members by their names below the one folder of the archive."""
    folders = {entry.name.rpartition("/")[0] for entry in entries if entry.name.rpartition("/")[2] == _PICKLE}
    folder = f"{next(iter(folders))}/" if len(folders) == 1 else ""
    if folder in {"", "/"}:
        raise FormatError("it is no torch checkpoint: the archive has not exactly one data.pkl in a folder")
    if not all(entry.name.startswith(folder) for entry in entries):
        raise FormatError("the archive holds members beside the folder of the checkpoint")
    for entry in entries:
        # torch finds BYTEORDER where it looks for byteorder, and so would swap what is read here as it stands.
        if entry.name.removeprefix(folder) != entry.name.removeprefix(folder).lower():
            raise FormatError("the name of a member has capitals, which torch.save never writes", where=entry.name)
    return {entry.name.removeprefix(folder): entry for entry in entries}


def _stored(source: RandomAccess, entry: ZipEntry) -> RandomAccess:
    if entry.method != _STORED or entry.offset is None:
        raise FormatError("a member of the checkpoint is compressed, which torch.save never does", where=entry.name)
    return source.slice(entry.offset, entry.size)


def _require_little_endian(source: RandomAccess, members: Mapping[str, ZipEntry]) -> None:
    if "byteorder" in members and _stored(source, members["byteorder"]).head(16) != b"little":
        raise FormatError("the checkpoint was not written on a little-endian machine")


def _member_storage(memory: Memory, members: Mapping[str, ZipEntry]) -> Storage:
    entry = members.get(f"data/{memory.key}")
    if entry is None or entry.offset is None:
        raise FormatError("the memory of a storage is missing", where=f"data/{memory.key}")
    if entry.method != _STORED:
        raise FormatError("a member of the checkpoint is compressed, which torch.save never does", where=entry.name)
    if entry.size != memory.size:
        raise FormatError("the memory of a storage has not the size of the storage", where=entry.name)
    return storage_of(memory, entry.offset)


# The five pickles


def _read_legacy(source: RandomAccess, budget: Budget) -> Checkpoint:
    window = Window(source.open(), budget)
    # 1. The magic number, 2. the version.
    try:
        magic = _plain(window)
    except FormatError:
        magic = None
    if magic != MAGIC:
        raise FormatError("it is no torch checkpoint")
    if _plain(window) != VERSION:
        raise FormatError("it is of a version of torch's legacy layout that is not known")
    _require_no_tar(source, budget)
    # 3. Facts about the machine.
    facts = _plain(window)
    if isinstance(facts, DictNode) and facts.items.get("little_endian", True) is not True:
        raise FormatError("the checkpoint was not written on a little-endian machine")
    # 4. The object, 5. the keys of its storages in the order of their memory.
    builder, machine = _machine(window, 6)
    result = machine.run()
    keys = _plain(window)
    storages = _memories(source, window.offset, keys, builder.memories)
    return Checkpoint(layout=LEGACY, root=Tree(machine, storages).node(result), storages=MappingProxyType(storages))


def _require_no_tar(source: RandomAccess, budget: Budget) -> None:
    # torch.load asks tarfile before it looks for five pickles, where it reads from a file.
    try:
        tar.parse(source, budget)
    except FormatError:
        return
    raise FormatError("the file is a tar archive as well")


def _plain(window: Window) -> Node:
    builder, machine = _machine(window, 6)
    result = machine.run()
    if builder.memories:
        raise FormatError("a storage is named outside of the object of the checkpoint")
    return Tree(machine, {}).node(result)


def _memories(source: RandomAccess, offset: int, keys: Node, named: Mapping[str, Memory]) -> dict[str, Storage]:
    """Find the memory of each storage: the number of its items in eight bytes, and the items."""
    listed = keys.items if isinstance(keys, ListNode) else ()
    if not isinstance(keys, ListNode) or len(set(map(str, listed))) != len(listed) or {*listed} != {*named}:
        raise FormatError("the list of storages does not name the storages of the checkpoint, each once")
    found = {}
    for key in listed:
        memory = named[str(key)]
        count = int.from_bytes(source.read_at(offset, 8), "little", signed=True)
        if count * ITEM_BYTES[memory.dtype] != memory.size or offset + 8 + memory.size > source.size:
            raise FormatError("the memory of a storage has not the size of the storage", where=memory.key)
        found[memory.key] = storage_of(memory, offset + 8)
        offset += 8 + memory.size
    if offset != source.size:
        raise FormatError("bytes are left over behind the memory of the last storage")
    return found


def _machine(window: Window, parts: int) -> tuple[Builder, Keeper]:
    builder = Builder(parts)
    machine = Keeper(window, builder)
    builder.machine = machine
    return builder, machine
