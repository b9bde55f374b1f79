"""Serves a pickled checkpoint from the safetensors files that were proved to hold the same tensors.

What `torch.load` gives is made without it: the order and the kind of the container, the views, what shares memory with
what, parameters, devices. How the pickle builds them is read symbolically, nothing of it is executed, and all bytes of
tensors come from the twin. This module is imported where a lockfile names a twin, after torch.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import sys
from collections import OrderedDict, deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from weighlock.runtime import _admit, _gate, _loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future
    from typing import Any

    from weighlock.gates.recipe import Piece, Recipe, Storage, View

_AHEAD = 256 << 20
"""Bytes that are read before they are asked for, while a tensor goes to its device."""

_SMALL = 8 << 20
"""Bytes that are read before threads would have started."""

_MOST_THREADS = 8

_MOST_AT_ONCE = 1 << 30
"""Bytes of one system call; Linux reads at most two gigabytes."""

_INTEGERS = {1: "uint8", 2: "int16", 4: "int32", 8: "int64"}
"""By the bytes of each element."""


class _Arguments:
    """What a caller of `torch.load` asked for.

    Raises:
        TypeError: torch would not take these arguments either.
    """

    def __init__(
        self,
        map_location: Any = None,
        pickle_module: Any = None,
        *,
        weights_only: bool | None = None,
        mmap: bool | None = None,
        **others: Any,
    ) -> None:
        self.map_location = map_location
        self.pickle_module = pickle_module
        self.weights_only = weights_only
        self.mmap = mmap
        self.others = others


def serve(loading: _loads.Loading, args: tuple[Any, ...], kwargs: dict[str, Any], *, named: bool) -> Any:
    """Load a checkpoint from its twin.

    Args:
        loading: The admitted checkpoint, from its first byte on.
        args: Of `torch.load`, behind the file.
        kwargs: Likewise.
        named: The file was given by its name.

    Returns:
        What `torch.load` would return; ``None`` where the twin is not there, or where the caller asks for what only
        `torch.load` itself can do.

    Raises:
        LoadRefused: The twin is not the locked one.
    """
    torch: Any = sys.modules["torch"]
    try:
        asked = _Arguments(*args, **kwargs)
    except TypeError:
        return None  # which torch says in its own words
    mapped = asked.mmap if asked.mmap is not None else _maps_by_default()
    if not _is_plain(torch, asked) or (mapped and (not named or _is_shared(torch))):
        return None
    found = _admit.find_twin(loading, named=named)
    if found is None or (mapped and found[0].legacy):
        return None
    recipe, files = found
    with ExitStack() as stack:
        for file in files:
            stack.enter_context(file)
        return _Builder(torch, recipe, asked.map_location).build(_Mapped if mapped else _Private, files)


def _is_plain(torch: Any, asked: _Arguments) -> bool:
    """Say whether nothing but the arguments that are understood here has a say in what comes out."""
    serialization = torch.serialization
    forced = os.environ.get("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "0") != "0"
    module = asked.pickle_module
    skips = getattr(getattr(serialization, "_serialization_tls", None), "skip_data", False)
    order = getattr(serialization, "get_default_load_endianness", lambda: None)()
    return (
        not asked.others
        and (module is None or (module is pickle and not asked.weights_only and not forced))
        and not skips
        and getattr(order, "name", "LITTLE") != "BIG"
        and sys.byteorder == "little"
        and torch._guards.detect_fake_mode(None) is None  # noqa: SLF001 - as torch.load asks it
    )


def _maps_by_default() -> bool:
    try:
        from torch.utils.serialization import config  # since 2.7
    except ImportError:
        return False
    return bool(config.load.mmap)


def _is_shared(torch: Any) -> bool:
    """Say whether what is written to a mapped tensor would be written to the file."""
    serialization = torch.serialization
    options = getattr(serialization, "get_default_mmap_options", lambda: None)()
    return options is not None and options == getattr(serialization, "MAP_SHARED", None)


class _Builder:
    """Builds what `torch.load` would return.

    Args:
        torch: The module.
        recipe: What to build.
        map_location: As for `torch.load`.
    """

    def __init__(self, torch: Any, recipe: Recipe, map_location: Any) -> None:
        self._torch = torch
        self._recipe = recipe
        self._restore = torch.serialization._get_restore_location(map_location)  # noqa: SLF001 - torch.load's own rules
        self._meta = str(map_location) == "meta"
        self._made: list[Any] = []

    def build(self, memory: type[_Memory], files: Sequence[_loads.Loading]) -> Any:
        """Return the container with its tensors.

        Args:
            memory: Where their bytes go.
            files: Those of the twin.
        """
        torch, recipe = self._torch, self._recipe
        if self._meta:
            storages = [torch.UntypedStorage(storage.size, device="meta") for storage in recipe.storages]
        else:
            given = zip(recipe.storages, memory(torch, recipe, files), strict=True)
            storages = [self._restore(bytes_of, storage.location) for storage, bytes_of in given]
        self._made = [self._tensor(view, self._memory(storages, view.storage)) for view in recipe.views]
        return self._object(recipe.root)

    def _memory(self, storages: list[Any], index: int) -> Any:
        """Return the memory for a tensor; where there is none, `torch.load` lets no two tensors share it either."""
        storage = storages[index]
        if storage.device.type == "meta":
            storages[index] = self._torch.UntypedStorage(storage.nbytes(), device="meta")
        return storage

    def _tensor(self, view: View, storage: Any) -> Any:
        torch = self._torch
        dtype = getattr(torch, view.dtype)
        tensor = torch.empty((0,), dtype=dtype, device=storage.device)
        tensor.set_(storage, view.offset, view.shape, view.stride)
        if view.parameter:
            tensor = torch.nn.Parameter(tensor, view.requires_grad)
        else:
            tensor.requires_grad = view.requires_grad
        tensor._backward_hooks = OrderedDict()  # noqa: SLF001 - as torch rebuilds it
        return tensor

    def _object(self, node: Any) -> Any:
        kind, content = node
        if kind == "tensor":
            return self._made[content]
        if kind == "value":
            return content
        if kind in {"list", "tuple"}:
            items = [self._object(item) for item in content]
            return items if kind == "list" else tuple(items)
        pairs, attributes = content
        mapping: Any = OrderedDict() if kind == "ordered" else {}
        for key, value in pairs:
            mapping[self._object(key)] = self._object(value)
        for name, value in attributes:
            setattr(mapping, name, self._object(value))
        return mapping


class _Memory:
    """Gives storages, each with all bytes that the tensors on it show, at their places; other bytes are zero.

    Args:
        torch: The module.
        recipe: What is built.
        files: Those of the twin.
    """

    def __init__(self, torch: Any, recipe: Recipe, files: Sequence[_loads.Loading]) -> None:
        self.torch = torch
        self.recipe = recipe
        self.files = files

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError

    def new(self, size: int) -> Any:
        """Return memory that holds nothing yet."""
        return self.torch.UntypedStorage(size, device="cpu")

    def scattered(self, storage: Storage, read: Callable[[Piece], Any]) -> Any:
        """Return a storage that several tensors share, or that a tensor fills in another order or in part."""
        torch = self.torch
        memory = self.new(storage.size).fill_(0)
        for view in (self.recipe.views[index] for index in storage.views):
            # torch may write a byte of a bool anew, or quieten a number that is none: integers stay what they are.
            dtype = getattr(torch, _INTEGERS.get(view.item, view.dtype))
            source = torch.empty((0,), dtype=dtype, device="cpu").set_(read(view.piece), 0, view.shape)
            target = torch.empty((0,), dtype=dtype, device="cpu")
            target.set_(memory, view.offset, view.shape, view.stride)
            for dimension, stride in enumerate(view.stride):
                if stride == 0 and view.shape[dimension]:  # expanded: all of it is the same memory
                    source, target = source.narrow(dimension, 0, 1), target.narrow(dimension, 0, 1)
            target.copy_(source)
        return memory


class _Mapped(_Memory):
    """Private mappings of the twin's pages, as ``mmap=True`` of `torch.load` gives them."""

    def __iter__(self) -> Iterator[Any]:
        from_file = self.torch.UntypedStorage.from_file
        whole = [from_file(file.path, shared=False, nbytes=_size_of(file)) for file in self.files]

        def show(piece: Piece) -> Any:
            return whole[piece.file][piece.offset : piece.offset + piece.size]

        for storage in self.recipe.storages:
            piece = storage.piece
            if piece is None:
                yield self.scattered(storage, show)
            elif piece.offset % storage.alignment:
                yield self.new(piece.size).copy_(show(piece), non_blocking=False)
            else:
                yield show(piece)


class _Private(_Memory):
    """Memory that is nobody else's, as `torch.load` gives it; several threads share the page faults."""

    def __iter__(self) -> Iterator[Any]:
        total = sum(storage.size for storage in self.recipe.storages)
        if total < _SMALL:
            yield from map(self._read_storage, self.recipe.storages)
            return
        with ThreadPoolExecutor(min(_cores(), _MOST_THREADS), thread_name_prefix="weighlock-read") as pool:
            waiting: deque[tuple[int, Future[Any]]] = deque()
            ahead = 0
            for storage in self.recipe.storages:
                waiting.append((storage.size, pool.submit(self._read_storage, storage)))
                ahead += storage.size
                while ahead > _AHEAD:
                    size, future = waiting.popleft()
                    ahead -= size
                    yield future.result()
            for _, future in waiting:
                yield future.result()

    def _read_storage(self, storage: Storage) -> Any:
        return self.scattered(storage, self._read) if storage.piece is None else self._read(storage.piece)

    def _read(self, piece: Piece) -> Any:
        memory = self.new(piece.size)
        if piece.size:
            target = memoryview((ctypes.c_char * piece.size).from_address(memory.data_ptr())).cast("B")
            _read_into(self.files[piece.file], target, piece.offset)
        return memory


def _read_into(file: _loads.Loading, target: memoryview, offset: int) -> None:
    descriptor: Any = file.descriptor
    while target:
        done = os.preadv(descriptor, [target[:_MOST_AT_ONCE]], offset)
        if done == 0:
            _gate.refuse(file.label, "the file became shorter while it was being loaded")
        offset += done
        target = target[done:]


def _size_of(file: _loads.Loading) -> int:
    descriptor: Any = file.descriptor
    return os.fstat(descriptor).st_size


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
