"""Load models from the Hub, as training scripts do: ``python load.py MODEL...``.

MODEL is a repository, which transformers loads, or ``repository:file``.
"""

from __future__ import annotations

import hashlib
import sys
from typing import Any


def main() -> None:
    """Load each model and say what was loaded."""
    for target in sys.argv[1:]:
        tensors = load(target)
        print(f"loaded {target}: {len(tensors)} tensors, fingerprint {fingerprint(tensors)}", flush=True)


def load(target: str) -> dict[str, Any]:
    """Return the tensors of one model."""
    repo, _, name = target.partition(":")
    if not name:
        from transformers import BertModel

        return dict(BertModel.from_pretrained(repo).state_dict())
    from huggingface_hub import hf_hub_download

    path = hf_hub_download(repo, name)
    return _load_safetensors(path) if name.endswith(".safetensors") else _load_pickle(path)


def fingerprint(tensors: dict[str, Any]) -> str:
    """Return eight digits that change with any weight."""
    values = [(name, value.tolist() if hasattr(value, "tolist") else value) for name, value in sorted(tensors.items())]
    return hashlib.sha256(repr(values).encode()).hexdigest()[:8]


def _load_safetensors(path: str) -> dict[str, Any]:
    try:
        from safetensors.torch import load_file
    except (ImportError, OSError):  # there is no torch, or one of its own libraries is missing
        import safetensors

        deserialize: Any = safetensors.deserialize
        with open(path, "rb") as file:
            return {name: bytes(tensor["data"]) for name, tensor in deserialize(file.read())}
    return dict(load_file(path))


def _load_pickle(path: str) -> dict[str, Any]:
    """Load a checkpoint in the way that runs what it contains, as many libraries still do."""
    if path.endswith(".pkl"):
        import pickle

        with open(path, "rb") as file:
            return dict(pickle.load(file)["state_dict"])
    import torch

    return dict(torch.load(path, weights_only=False)["state_dict"])


if __name__ == "__main__":
    main()
