"""Writes the models of the benchmark of the guard: ``python -m bench.models FOLDER BYTES TENSOR-BYTES COUNT``."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file


def main(folder: Path, size: int, tensor: int, count: int) -> None:
    """Write one large model in both formats, and many small ones, all different."""
    for name in ("large", "small-torch", "small-safetensors"):
        (folder / name).mkdir()
    torch.manual_seed(0)
    state = {f"layer.{number}": torch.rand(tensor // 4) for number in range(size // tensor)}
    torch.save(state, folder / "large" / "model.bin")
    save_file(state, folder / "large" / "model.safetensors")
    for number in range(count):
        small = {"weight": torch.rand(4, 4)}
        torch.save(small, folder / "small-torch" / f"{number:04}.bin")
        save_file(small, folder / "small-safetensors" / f"{number:04}.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
