"""Records what safetensors serialises in every framework, so that the same project may load it again.

## Covers

- `save_file`, `save_model` and `save` for torch, numpy, TensorFlow, JAX, Paddle and MLX, `safetensors.serialize_file`
  and `safetensors.serialize`: all of them go through the Rust extension.
- The extension writes the file by itself. The digest is made of the tensors in memory and of the header in the file,
  after every name, type, shape and place in that header was compared with what was to be saved.

## Does not cover

- Tensors of types that the header describes by another shape than the framework, such as those of four bits: such a
  file is saved and not recorded.
"""

from __future__ import annotations

import os

from weighlock.runtime import _gate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from weighlock.runtime._patch import Patches

_LARGEST_HEADER = 100_000_000
"""Bytes that the format allows."""


def patch(module: ModuleType, patches: Patches) -> None:
    """Replace what the extension offers for writing, before the package binds it.

    Raises:
        LookupError: The extension has no such names.
    """
    serialize = getattr(module, "serialize", None)
    for name, guard in (("serialize", _followed_bytes), ("serialize_file", _followed_file)):
        original = getattr(module, name, None)
        guarded = guard(original, serialize) if original is not None and serialize is not None else None
        patches.replace(module, name, guarded)
        patches.rebind(original, guarded)


def _followed_bytes(original: Callable[..., Any], _: object) -> Callable[..., Any]:
    def serialize(*args: Any, **kwargs: Any) -> Any:
        data = original(*args, **kwargs)
        if _gate.records_saves():
            from hashlib import sha256

            _gate.record_save(len(data), sha256(data).hexdigest())
        return data

    return serialize


def _followed_file(original: Callable[..., Any], serialize: Callable[..., Any]) -> Callable[..., Any]:
    def serialize_file(tensor_dict: Any, filename: Any, metadata: Any = None) -> Any:
        answer = original(tensor_dict, filename, metadata)
        if _gate.records_saves():
            _record(filename, tensor_dict, metadata, serialize)
        return answer

    return serialize_file


def _record(filename: Any, tensors: Any, metadata: Any, serialize: Callable[..., Any]) -> None:
    try:
        saved = _saved(filename, tensors, metadata, serialize)
    except Exception:  # noqa: BLE001 - the file was saved; what cannot be followed is not recorded, and so not trusted
        return
    if saved is not None:
        _gate.record_save(*saved)


def _saved(filename: Any, tensors: Any, metadata: Any, serialize: Callable[..., Any]) -> tuple[int, str] | None:
    """Return size and digest of the file that holds these tensors, or ``None`` where its header says otherwise."""
    from hashlib import sha256

    header = _header_of(filename)
    order = _order(header[8:], tensors, metadata, serialize)
    if order is None:
        return None
    hasher, size = sha256(header), len(header)
    for name in order:
        data = _data_of(tensors[name])
        hasher.update(data)
        size += len(data)
    return size, hasher.hexdigest()


def _header_of(filename: Any) -> bytes:
    with open(os.fspath(filename), "rb") as file:
        prefix = file.read(8)
        length = int.from_bytes(prefix, "little")
        if length > _LARGEST_HEADER:
            raise ValueError
        return prefix + file.read(length)


def _order(header: bytes, tensors: Any, metadata: Any, serialize: Callable[..., Any]) -> list[str] | None:
    """Return the names in the order of their data, or ``None`` where the header does not describe these tensors."""
    entries = _parsed(header)
    if entries.pop("__metadata__", None) != (metadata or None) or set(entries) != set(tensors):
        return None
    types = _types(tensors, serialize)
    order = sorted(entries, key=lambda name: entries[name]["data_offsets"])
    end = 0
    for name in order:
        begin, end = end, end + len(_data_of(tensors[name]))
        shape = [int(length) for length in _part(tensors[name], "shape")]
        expected = {"dtype": types[_part(tensors[name], "dtype")], "shape": shape, "data_offsets": [begin, end]}
        if entries[name] != expected:
            return None
    return order


def _parsed(header: bytes) -> dict[str, Any]:
    import json

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError
        return dict(pairs)

    entries: dict[str, Any] = json.loads(header, object_pairs_hook=unique)
    return entries


def _types(tensors: Any, serialize: Callable[..., Any]) -> dict[str, str]:
    """Return what the header calls each type.

    Newer versions say so themselves. Others know it, and are asked to serialise a tensor without elements.
    """
    specimens = {_part(spec, "dtype"): spec for spec in tensors.values()}
    unknown = [dtype for dtype, spec in specimens.items() if isinstance(spec, dict)]
    empty = {str(number): {**specimens[dtype], "shape": [0], "data": b""} for number, dtype in enumerate(unknown)}
    data = serialize(empty, None)
    entries = _parsed(bytes(data[8 : 8 + int.from_bytes(data[:8], "little")]))
    return {dtype: entries[str(unknown.index(dtype))]["dtype"] if dtype in unknown else dtype for dtype in specimens}


def _part(spec: Any, name: str) -> Any:
    return spec[name] if isinstance(spec, dict) else getattr(spec, name)


def _data_of(spec: Any) -> memoryview:
    """Return the bytes of a tensor, where they lie."""
    if isinstance(spec, dict):
        return memoryview(spec["data"]).cast("B")
    from ctypes import c_char

    if not spec.data_len:
        return memoryview(b"")
    return memoryview((c_char * spec.data_len).from_address(spec.data_ptr)).cast("B")
