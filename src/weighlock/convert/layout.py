"""Where each tensor lies in a safetensors file, and the header that says so."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.errors import OverBudgetError
from weighlock.formats.safetensors import DTYPES, TORCH_DTYPES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from weighlock.convert.plan import Plan
    from weighlock.formats.torch_checkpoint import TensorView

_ALIGNMENT = 8
_LARGEST_HEADER = 100_000_000  # MAX_HEADER_SIZE of the reference implementation


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A safetensors file before its tensors are written.

    Args:
        header: Its first bytes, up to the data.
        tensors: By their names, in the order of the data.
        data_size: Bytes of all tensors.
    """

    header: bytes
    tensors: Mapping[str, TensorView]
    data_size: int


def lay_out(plan: Plan) -> Layout:
    """Order the tensors and make the header.

    Items of many bytes come first, so that every tensor begins at a multiple of the size of its items.

    Raises:
        OverBudgetError: The header is larger than readers of safetensors allow.

    Source:
        https://github.com/huggingface/safetensors#format and ``prepare`` in safetensors/src/tensor.rs.
    """
    names = sorted(plan.tensors, key=lambda name: (-DTYPES[TORCH_DTYPES[plan.tensors[name].dtype]], name))
    tensors = {name: plan.tensors[name] for name in names}
    fields: dict[str, object] = {"__metadata__": {"format": "pt", **plan.tied}}
    position = 0
    for name, view in tensors.items():
        end = position + view.size
        fields[name] = {"dtype": TORCH_DTYPES[view.dtype], "shape": view.shape, "data_offsets": (position, end)}
        position = end
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    if len(text) > _LARGEST_HEADER:
        raise OverBudgetError("the names of its tensors do not fit into the header of a safetensors file")
    return Layout(header=len(text).to_bytes(8, "little") + text, tensors=tensors, data_size=position)
