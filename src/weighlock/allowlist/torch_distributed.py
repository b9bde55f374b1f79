"""Distributed checkpoints of PyTorch: plain data classes, which say where the parts of each tensor lie.

None of them has a constructor or a ``__setstate__`` that does more than to set attributes.

Source:
    ``torch/distributed/checkpoint/metadata.py`` and ``filesystem.py``, ``torch/distributed/_shard`` of
    PyTorch 2.0 to 2.13.
"""

from __future__ import annotations

from weighlock.allowlist.entry import constructor, table

_METADATA = "torch.distributed.checkpoint.metadata."
_FILES = "torch.distributed.checkpoint.filesystem."
_SHARDS = "torch.distributed._shard.sharded_tensor.metadata."
_CLASSES = (
    "BytesStorageMetadata", "ChunkStorageMetadata", "Metadata", "MetadataIndex", "StorageMeta",
    "TensorStorageMetadata",
)  # fmt: skip

ENTRIES = table(
    *(constructor(_METADATA + name, "", build="attributes") for name in _CLASSES),
    constructor(_FILES + "_StorageInfo", "", build="attributes"),
    constructor(_FILES + "_StoragePrefix", "", build="attributes"),
    constructor(_METADATA + "TensorProperties", "", build="tuple"),
    constructor(_METADATA + "_MEM_FORMAT_ENCODING", "int"),
    constructor(_SHARDS + "TensorProperties", "", build="tuple"),
    constructor(_SHARDS + "MEM_FORMAT_ENCODING", "int"),
)
