"""SavedModels and TFLite models written byte by byte."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence


def field(number: int, value: int | bytes | str) -> bytes:
    """Write one field of a message."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def node(name: str, op: str, inputs: Sequence[str] = (), calls: str = "") -> bytes:
    """Write an op."""
    attribute = field(5, field(1, "f") + field(2, field(10, field(1, calls)))) if calls else b""
    return field(1, name) + field(2, op) + b"".join(field(3, each) for each in inputs) + attribute


def graph_function(name: str, arguments: Iterable[str], *nodes: bytes) -> bytes:
    """Write a function."""
    signature = field(1, name) + b"".join(field(2, field(1, each)) for each in arguments)
    return field(1, signature) + b"".join(field(3, each) for each in nodes)


def graph(nodes: Iterable[bytes], functions: Iterable[bytes] = ()) -> bytes:
    """Write a graph."""
    library = b"".join(field(1, each) for each in functions)
    return b"".join(field(1, each) for each in nodes) + field(2, library)


def saved_model(
    definition: bytes,
    *,
    assets: Iterable[str] = (),
    bound: Mapping[str, Sequence[int]] | None = None,
    objects: Iterable[bytes] = (),
    fed: str = "",
) -> bytes:
    """Write a SavedModel.

    Args:
        definition: Its graph.
        assets: Names of its assets.
        bound: Functions that a program can call, with the objects that they captured.
        objects: Its objects.
        fed: A node that a signature hands its input to.
    """
    meta = field(2, definition)
    if fed:
        entry = field(1, "x") + field(2, field(1, f"{fed}:0"))
        meta += field(5, field(1, "serve") + field(2, field(1, entry)))
    meta += b"".join(field(6, field(2, name)) for name in assets)
    captured = b"".join(
        field(2, field(1, name) + field(2, b"".join(field(2, each) for each in inputs)))
        for name, inputs in (bound or {}).items()
    )
    meta += field(7, b"".join(field(1, each) for each in objects) + captured)
    return field(1, 1) + field(2, meta)


def tflite(*ops: tuple[int, str]) -> bytes:
    """Write a TFLite model that uses some ops: the number of each, and its name if it is a custom one."""
    head = struct.pack("<I4s", 16, b"TFL3") + struct.pack("<HHHH", 8, 8, 0, 4) + struct.pack("<iII", 8, 4, len(ops))
    start = len(head) + 4 * len(ops)
    offsets, tables = b"", b""
    for index, (code, name) in enumerate(ops):
        # The layout of the table stands in front of it, its name behind it.
        layout = struct.pack("<HHHHHH", 12, 12, 0, 4 if name else 0, 0, 8)
        offsets += struct.pack("<I", start + len(tables) + len(layout) - len(head) - 4 * index)
        label = struct.pack("<I", len(name)) + name.encode() + b"\0"
        tables += layout + struct.pack("<iIi", 12, 8, code) + label + bytes(-len(label) % 4)
    return head + offsets + tables


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])
