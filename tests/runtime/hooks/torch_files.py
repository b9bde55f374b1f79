"""Files that torch writes, and the names in them."""

from __future__ import annotations

import torch

TENSORS = ("collections.OrderedDict", "torch.FloatStorage", "torch._utils._rebuild_tensor_v2")


def save(path, seed=0, **options):
    torch.save({"w": torch.full((4,), float(seed))}, path, **options)
    return path
