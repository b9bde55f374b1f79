"""Model files that are no pickles. Files that no loader takes are in `NOT_MODELS`."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import safetensors.numpy
import safetensors.torch
import torch

from tests.corpus.case import Case

#: Neighbours of models in a repository, which no loader takes: the outcome is ``not-a-model``.
NOT_MODELS = {
    "config.json": json.dumps({"architectures": ["BertModel"], "hidden_size": 8}, indent=2).encode(),
    "tokenizer.json": json.dumps({"version": "1.0", "model": {"type": "BPE", "vocab": {"a": 0}}}).encode(),
    "vocab.txt": b"[PAD]\n[UNK]\nthe\n",
    "merges.txt": b"#version: 0.2\nt h\nth e\n",
    "README.md": b"---\nlicense: apache-2.0\n---\n# A model\n",
    "LICENSE": b"Apache License\nVersion 2.0, January 2004\n",
    "train.py": b"import torch\n\nprint('hello')\n",
    "table.csv": b"a,b\n1,2\n",
    "labels.jsonl": b'{"a": 1}\n{"a": 2}\n',
    "settings.yaml": b"lr: 0.1\nlayers: [1, 2]\n",
    "pixel.png": b"\x89PNG\r\n\x1a\n" + bytes(50),
    ".gitattributes": b"*.bin filter=lfs diff=lfs merge=lfs -text\n",
    "pointer.bin": b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 5\n",
    "empty": b"",
}


def _safetensors() -> Iterator[tuple[str, bytes]]:
    tensors = {"weight": torch.eye(3), "bias": torch.zeros(3, dtype=torch.bfloat16), "steps": torch.tensor(3)}
    yield "plain", safetensors.torch.save(tensors)
    yield "metadata", safetensors.torch.save(tensors, {"format": "pt", "note": "é"})
    yield "one", safetensors.torch.save({"w": torch.ones(1)})
    yield "none", safetensors.torch.save({})
    yield "empty-tensor", safetensors.torch.save({"w": torch.ones(0, 3)})
    yield "float8", safetensors.torch.save({"w": torch.ones(4).to(torch.float8_e4m3fn)})
    yield "numpy", safetensors.numpy.save({"w": np.arange(6).reshape(2, 3), "b": np.array([True])})
    yield "many", safetensors.numpy.save({f"layer.{i}.weight": np.ones((2, 2), "f4") for i in range(300)})


def cases() -> Iterator[Case]:
    """Make the files."""
    for name, data in _safetensors():
        yield Case(f"safetensors-{name}.safetensors", data, "safetensors_load")
