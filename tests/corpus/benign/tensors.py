"""Tensors of every kind that `torch.save` writes, as a zip and in the format from before."""

from __future__ import annotations

import collections
import io
from collections.abc import Callable, Iterator

import torch

from tests.corpus.case import Case

_FLOATS = ("float16", "float32", "float64", "bfloat16")
_FLOATS_8 = ("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu")
_INTEGERS = ("uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64", "bool")
_COMPLEX = ("complex32", "complex64", "complex128")
DTYPES = (*_FLOATS, *_FLOATS_8, *_INTEGERS, *_COMPLEX)


def saved(value: object, *, legacy: bool = False, protocol: int = 2) -> bytes:
    """Return what `torch.save` writes."""
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=not legacy, pickle_protocol=protocol)
    return buffer.getvalue()


def _of(dtype: str) -> torch.Tensor:
    return torch.arange(8).reshape(2, 4).to(torch.float32).to(getattr(torch, dtype))


def _sparse() -> dict[str, Callable[[], object]]:
    dense = torch.eye(4)
    return {
        "coo": lambda: dense.to_sparse_coo().coalesce(),
        "coo-uncoalesced": lambda: torch.sparse_coo_tensor([[0, 0], [1, 1]], [1.0, 2.0], (2, 2)),
        "csr": dense.to_sparse_csr,
        "csc": dense.to_sparse_csc,
        "bsr": lambda: dense.to_sparse_bsr((2, 2)),
        "bsc": lambda: dense.to_sparse_bsc((2, 2)),
        "hybrid": lambda: torch.sparse_coo_tensor([[0, 1]], torch.ones(2, 3), (3, 3)),
    }


def _quantised() -> dict[str, Callable[[], object]]:
    values = torch.randn(4, 4)
    return {
        "quint8": lambda: torch.quantize_per_tensor(values, 0.1, 10, torch.quint8),
        "qint8": lambda: torch.quantize_per_tensor(values, 0.1, 0, torch.qint8),
        "qint32": lambda: torch.quantize_per_tensor(values, 0.1, 0, torch.qint32),
        "per-channel": lambda: torch.quantize_per_channel(
            values, torch.ones(4), torch.zeros(4, dtype=torch.long), 0, torch.qint8
        ),
    }


def _kinds() -> dict[str, Callable[[], object]]:
    base = torch.arange(24.0).reshape(4, 6)
    return {
        "empty": lambda: torch.empty(0),
        "empty-shape": lambda: torch.empty(3, 0, 2),
        "scalar": lambda: torch.tensor(1.5),
        "transposed": lambda: base.T,
        "strided": lambda: base[::2, 1::3],
        "expanded": lambda: torch.ones(1).expand(5, 5),
        "channels-last": lambda: torch.zeros(1, 3, 4, 4).to(memory_format=torch.channels_last),
        "meta": lambda: torch.empty(3, 3, device="meta"),
        "conjugate": lambda: torch.ones(2, dtype=torch.complex64).conj(),
        "negative-view": lambda: torch.ones(2, dtype=torch.complex64).conj().imag,
        "needs-grad": lambda: torch.ones(3, requires_grad=True),
        "parameter": lambda: torch.nn.Parameter(torch.ones(3)),
        "frozen-parameter": lambda: torch.nn.Parameter(torch.ones(3), requires_grad=False),
        "buffer": lambda: torch.nn.Buffer(torch.ones(3)),
        "shared-storage": lambda: [base, base[1], base.view(-1), base.flatten()[3:]],
        "nested-strided": lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
        "typed-storage": lambda: torch.ones(3)._typed_storage(),
        "untyped-storage": lambda: torch.ones(3).untyped_storage(),
        "list": lambda: [torch.ones(2), (torch.zeros(1), {"x": torch.eye(2)})],
        "ordered-dict": lambda: collections.OrderedDict(a=torch.ones(1), b=torch.zeros(2)),
        "size": lambda: torch.Size([1, 2, 3]),
        "device": lambda: [torch.device("cpu"), torch.device("cuda", 1), torch.device("meta")],
        "dtypes": lambda: [getattr(torch, name) for name in DTYPES],
        "layouts": lambda: [torch.strided, torch.sparse_coo, torch.sparse_csr, torch.sparse_csc, torch.sparse_bsr],
        "qschemes": lambda: [torch.per_tensor_affine, torch.per_channel_affine],
        "numpy-inside": lambda: {"mean": torch.ones(2).numpy(), "std": torch.ones(2).numpy()[0]},
        "plain": lambda: {"epoch": 3, "name": "x", "loss": [0.1, 0.2]},
        "tensor-subclass-state": _with_attribute,
    }


def _with_attribute() -> torch.Tensor:
    tensor = torch.ones(2)
    tensor.note = "kept"
    return tensor


def _dtype_cases() -> Iterator[Case]:
    for dtype in DTYPES:
        yield Case(f"torch-dtype-{dtype}.pt", saved({"w": _of(dtype)}), "torch_load")
    for dtype in ("float32", "bfloat16", "int64", "uint8", "bool", "complex64"):
        yield Case(f"torch-dtype-{dtype}-legacy.pth", saved({"w": _of(dtype)}, legacy=True), "torch_load")
    everything = {dtype: _of(dtype) for dtype in DTYPES}
    for protocol in (2, 3, 4, 5):
        yield Case(f"torch-all-dtypes-protocol-{protocol}.pt", saved(everything, protocol=protocol), "torch_load")
    # torch writes the newer dtypes in the old format too, and then cannot read them.
    readable = {
        name: tensor
        for name, tensor in everything.items()
        if not name.startswith(("float8", "uint16", "uint32", "uint64", "complex32"))
    }
    yield Case("torch-all-dtypes-legacy.bin", saved(readable, legacy=True), "torch_load")


def cases() -> Iterator[Case]:
    """Make a file per kind; kinds that the old format cannot hold only as a zip."""
    yield from _dtype_cases()
    for name, make in {**_sparse(), **_quantised(), **_kinds()}.items():
        value = make()
        yield Case(f"torch-{name}.pt", saved(value), "torch_load")
        if name not in {"untyped-storage", "nested-strided"}:
            yield Case(f"torch-{name}-legacy.pt", saved(value, legacy=True), "torch_load")
