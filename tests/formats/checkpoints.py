"""Checkpoints as torch writes them, and bent ones, whose pickles are written with real names and made-up arguments."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict

import torch

from weighlock.formats.source import Budget, BytesSource
from weighlock.formats.torch_checkpoint import Checkpoint, flat_tensors, iter_bytes, read_checkpoint


class Called:
    """Pickles as the call of a function."""

    def __init__(self, function, *args, state=None):
        self._parts = (function, args) if state is None else (function, args, state)

    def __reduce_ex__(self, _protocol):
        return self._parts


class Named:
    """Pickles as a persistent id."""

    def __init__(self, *parts):
        self.parts = parts


class _Pickler(pickle.Pickler):
    def persistent_id(self, obj):
        return obj.parts if isinstance(obj, Named) else None


def storage(key="0", count=6, kind=torch.FloatStorage, location="cpu"):
    return Named("storage", kind, key, location, count)


def tensor(memory=None, offset=0, shape=(2, 3), stride=(3, 1), *more):
    more = more or (False, OrderedDict())
    return Called(torch._utils._rebuild_tensor_v2, memory or storage(), offset, shape, stride, *more)


def pickled(value, protocol=2):
    file = io.BytesIO()
    _Pickler(file, protocol).dump(value)
    return file.getvalue()


def zipped(value, members=None, *, folder="archive", byteorder=b"little", method=zipfile.ZIP_STORED):
    """Write an archive as torch does; `value` may be the bytes of a pickle."""
    content = {"data.pkl": value if isinstance(value, bytes) else pickled(value)}
    content |= {} if byteorder is None else {"byteorder": byteorder}
    content |= {"data/0": bytes(range(24))} if members is None else members
    content["version"] = b"3\n"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in content.items():
            archive.writestr(zipfile.ZipInfo(f"{folder}/{name}"), data, method)
    return file.getvalue()


def saved(value, **options):
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


def legacy(value):
    return saved(value, _use_new_zipfile_serialization=False)


def read(data, **limits) -> Checkpoint:
    return read_checkpoint(BytesSource(data), Budget(**limits))


def tensors(data):
    return flat_tensors(read(data))


def contents(data, view):
    return b"".join(bytes(part) for part in iter_bytes(BytesSource(data), view))


def raw(value):
    """Return the bytes of a tensor in C order."""
    flat = value.detach().resolve_conj().resolve_neg().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
