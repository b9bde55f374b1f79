"""Folders of models, small and real, that tests describe."""

from __future__ import annotations

import json
import os
import pickle
import struct
from collections import OrderedDict
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import save_file

if TYPE_CHECKING:
    from pathlib import Path

CARD = """---
license: apache-2.0
pipeline_tag: text-classification
library_name: transformers
language:
  - en
  - de
tags: [sentiment, demo]
datasets:
  - stanfordnlp/imdb
  - glue
base_model: google-bert/bert-base-uncased
base_model_relation: finetune
metrics: [accuracy]
co2_eq_emissions:
  emissions: 12.5
  source: codecarbon
  training_type: fine-tuning
  geographical_location: Frankfurt
  hardware_used: 1 x T4
model-index:
  - name: tiny
    results:
      - task: {type: text-classification}
        dataset: {name: IMDb, type: stanfordnlp/imdb, split: test}
        metrics:
          - {type: accuracy, value: 0.93}
          - {type: f1, value: 0.91, name: F1}
---
# Tiny classifier

## Model description

Says whether a review is kind.

## Intended uses

Reviews of films, in English.

### Out-of-scope use

Medical text.

## Bias, risks

It learned from one site.

## Limitations

No irony.

## Training data

25,000 reviews.

## Environmental impact

[More Information Needed]
"""


class Reduced:
    def __reduce__(self):
        return print, ("inert",)


def model(folder: Path, card: str | bytes | None = CARD) -> Path:
    """Write a model with weights, configurations, a pickle and a card."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {"a.weight": np.zeros((4, 8), np.float32), "a.bias": np.zeros(4, np.float32)}, folder / "model.safetensors"
    )
    config = {
        "architectures": ["BertForSequenceClassification"],
        "model_type": "bert",
        "vocab_size": 30522,
        "hidden_size": 8,
        "torch_dtype": "float32",
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ messages[0]['content'] }}"}))
    (folder / "state.pkl").write_bytes(pickle.dumps(OrderedDict(a=1)))
    if card is not None:
        (folder / "README.md").write_bytes(card.encode() if isinstance(card, str) else card)
    return folder


def adapter(folder: Path) -> Path:
    """Write an adapter of a model."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "org/base",
        "revision": "0123456789" * 4,
        "r": 8,
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))
    save_file({"lora.weight": np.zeros((2, 2), np.float16)}, folder / "adapter_model.safetensors")
    return folder


def gguf(path: Path, facts: dict[str, str | int] | None = None) -> Path:
    """Write a GGUF file with one tensor."""
    facts = facts if facts is not None else {"general.architecture": "llama", "general.license": "mit"}
    pairs = b""
    for key, value in facts.items():
        pairs += _text(key)
        pairs += struct.pack("<I", 8) + _text(value) if isinstance(value, str) else struct.pack("<II", 4, value)
    tensor = _text("w") + struct.pack("<IQQIQ", 2, 4, 8, 0, 0)
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, len(facts)) + pairs + tensor
    path.write_bytes(head + b"\0" * (-len(head) % 32) + b"\0" * 128)
    return path


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def dangerous(path: Path) -> Path:
    """Write a pickle that names a function of the system; nothing happens if it is loaded by mistake."""
    path.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    return path


def environment(folder: Path, *distributions: dict[str, object]) -> Path:
    """Write a library folder with metadata of distributions; see `distribution`."""
    folder.mkdir(parents=True, exist_ok=True)
    for one in distributions:
        distribution(folder, **one)  # type: ignore[arg-type]
    return folder


def distribution(folder: Path, name: str, version: str, metadata: str = "", **files: str) -> Path:
    """Write the metadata folder of an installed distribution."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    os.makedirs(info)
    (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{metadata}\n")
    (info / "INSTALLER").write_text("pip\n")
    for file, text in files.items():
        (info / file.replace("__", ".")).write_text(text)
    if not (info / "RECORD").exists():
        digest = "sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
        rows = [f"{name}/__init__.py,{digest},0", f"{info.name}/METADATA,,", f"{info.name}/RECORD,,"]
        (info / "RECORD").write_text("\n".join(rows) + "\n")
    return info
