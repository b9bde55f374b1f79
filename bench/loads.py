"""A child of the benchmark that loads and saves models on demand: ``python -m bench.loads KIND PATH``.

For each line that it reads it does one round and prints the seconds of its parts as a JSON list. It runs with and
without the guard and knows nothing of either.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING

import safetensors.torch
import torch

if TYPE_CHECKING:
    from collections.abc import Callable

_PIECE = 64 << 20
_SAVED = 2 << 30
_SAVES = 200
_BUFFER = 1 << 20


def timed(action: Callable[[], object]) -> float:
    """Return the seconds that an action takes; what it returns is dropped outside the clock."""
    start = time.perf_counter()
    kept = action()
    seconds = time.perf_counter() - start
    del kept
    return seconds


def torch_large(path: str) -> list[float]:
    """Load one checkpoint into memory of its own."""
    return [timed(lambda: torch.load(path, weights_only=True, mmap=False))]


def safetensors_large(path: str) -> list[float]:
    """Load one safetensors file and touch every page of it."""
    return [timed(lambda: [tensor.sum() for tensor in safetensors.torch.load_file(path).values()])]


def one_tensor(path: str) -> list[float]:
    """Read the first tensor of a safetensors file."""

    def read() -> object:
        with safetensors.safe_open(path, framework="pt") as file:
            return file.get_tensor(min(file.keys())).sum()

    return [timed(read)]


def torch_mapped(path: str) -> list[float]:
    """Map one checkpoint and touch each of its pages."""

    def load() -> object:
        loaded = torch.load(path, weights_only=True, mmap=True)
        return loaded, [tensor.view(-1)[:: 4096 // tensor.itemsize].sum() for tensor in loaded.values()]

    return [timed(load)]


def torch_small(folder: str) -> list[float]:
    """Load every checkpoint of a folder; seconds for each, by the clock and of the processor."""
    return _each(folder, lambda path: torch.load(path, weights_only=True))


def safetensors_small(folder: str) -> list[float]:
    """Load every safetensors file of a folder; seconds for each, by the clock and of the processor."""
    return _each(folder, safetensors.torch.load_file)


def _each(folder: str, load: Callable[[str], object]) -> list[float]:
    paths = [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
    clock, processor = time.perf_counter(), time.process_time()
    for path in paths:
        load(path)
    return [(time.perf_counter() - clock) / len(paths), (time.process_time() - processor) / len(paths)]


@cache
def _checkpoint() -> dict[str, torch.Tensor]:
    count = _PIECE // torch.float32.itemsize
    return {f"layer.{number}.weight": torch.rand(count) for number in range(_SAVED // _PIECE)}


def torch_save(path: str) -> list[float]:
    """Save one large checkpoint; seconds by the clock and of the processor."""
    return _save(lambda: torch.save(_checkpoint(), path))


def safetensors_save(path: str) -> list[float]:
    """Save one large safetensors file; seconds by the clock and of the processor."""
    return _save(lambda: safetensors.torch.save_file(_checkpoint(), path))


def torch_save_small(path: str) -> list[float]:
    """Save a small checkpoint many times; seconds of each, by the clock and of the processor."""
    state = {"step": 7, "weight": torch.ones(16, 16)}
    seconds = _save(lambda: [torch.save(state, path) for _ in range(_SAVES)])
    return [one / _SAVES for one in seconds]


def _save(save: Callable[[], object]) -> list[float]:
    _checkpoint()
    clock, processor = time.perf_counter(), time.process_time()
    save()
    return [time.perf_counter() - clock, time.process_time() - processor]


def load_then_hash(path: str) -> list[float]:
    """Load a safetensors file, and then read and hash it; seconds of both, in this order."""
    loading = timed(lambda: safetensors.torch.load_file(path))
    return [loading, timed(lambda: hash_with_every_core(path))]


def hash_then_load(path: str) -> list[float]:
    """Do the same in the other order; seconds in the order of `load_then_hash`."""
    hashing = timed(lambda: hash_with_every_core(path))
    return [timed(lambda: safetensors.torch.load_file(path)), hashing]


def hash_with_every_core(path: str) -> list[str]:
    """Read a file and hash it, each core a piece at a time: the least that knowing its bytes can cost."""
    descriptor = os.open(path, os.O_RDONLY)
    size = os.fstat(descriptor).st_size

    def piece(start: int) -> str:
        hasher, buffer = hashlib.sha256(), memoryview(bytearray(_BUFFER))
        position, stop = start, min(start + _PIECE, size)
        while position < stop:
            read = os.preadv(descriptor, [buffer[: stop - position]], position)
            hasher.update(buffer[:read])
            position += read
        return hasher.hexdigest()

    try:
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            return list(pool.map(piece, range(0, size, _PIECE)))
    finally:
        os.close(descriptor)


_KINDS = {
    "torch-large": torch_large,
    "torch-mapped": torch_mapped,
    "torch-small": torch_small,
    "safetensors-large": safetensors_large,
    "safetensors-small": safetensors_small,
    "one-tensor": one_tensor,
    "torch-save": torch_save,
    "safetensors-save": safetensors_save,
    "torch-save-small": torch_save_small,
    "load-then-hash": load_then_hash,
    "hash-then-load": hash_then_load,
}


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Do a round for each line."""
    kind, path = sys.argv[1:]
    torch.set_num_threads(1)
    _say("ready")
    for _ in sys.stdin:
        _say(json.dumps(_KINDS[kind](path)))


if __name__ == "__main__":
    main()
