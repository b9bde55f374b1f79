"""Archives that hold programs of torch, written field by field; torch itself is not needed."""

from __future__ import annotations

import json
import struct

from tests.corpus import opcodes as op
from tests.corpus.archives import Member, zip_bytes

SOURCE = b"class M(Module):\n  def forward(self: __torch__.M,\n    x: Tensor) -> Tensor:\n    return torch.relu(x)\n"


def archive(members: dict[str, bytes], root: str = "m") -> bytes:
    """Write an archive as torch's writer does: every name begins with that of the archive."""
    return zip_bytes([Member(name=f"{root}/{name}", data=data) for name, data in members.items()])


def torchscript(source: bytes = SOURCE, kind: str = "__torch__", **members: bytes) -> bytes:
    """Write a TorchScript archive with one type."""
    data = op.stream(op.glob(kind, "M") + op.EMPTY_TUPLE + op.NEWOBJ + op.mapping() + op.BUILD, protocol=2)
    tag = op.call(op.glob("torch.jit._pickle", "build_intlist"), op.array(op.integer(1)))
    return archive(
        {
            "data.pkl": data,
            "code/__torch__.py": source,
            "code/__torch__.py.debug_pkl": op.stream(tag, protocol=2),
            "constants.pkl": op.stream(op.EMPTY_TUPLE, protocol=2),
            "version": b"3\n",
            **{name.replace("_pkl", ".pkl"): data for name, data in members.items()},
        }
    )


def package(members: dict[str, bytes]) -> bytes:
    """Write an archive of torch.package."""
    return archive({".data/extern_modules": b"torch", ".data/version": b"6", **members})


def exported(target: str = "torch.ops.aten.relu.default", size: str = "s0 + 1", **members: bytes) -> bytes:
    """Write an archive of torch.export whose graph has one node, and one symbolic size."""
    graph = {
        "nodes": [{"target": target, "inputs": [], "outputs": []}],
        "tensor_values": {"x": {"sizes": [{"as_expr": {"expr_str": size, "hint": None}}]}},
    }
    program = {"graph_module": {"graph": graph}, "range_constraints": {"s0": {"min_val": 0, "max_val": 8}}}
    return archive(
        {
            "models/model.json": json.dumps(program).encode(),
            "archive_format": b"pt2",
            "archive_version": b"0",
            ".data/version": b"6",
            **{name.replace("__", "/"): data for name, data in members.items()},
        }
    )


def executorch(operator: str = "aten::relu", delegate: str | None = None) -> bytes:
    """Write an ExecuTorch program with one plan."""
    delegates = [] if delegate is None else [_table({0: _text(delegate)})]
    plan = _table({6: _vector([_table({0: _text(operator)})]), 7: _vector(delegates)})
    program = _table({1: _vector([plan])})
    (place,) = struct.unpack_from("<I", program)
    return struct.pack("<I", 8 + place) + b"ET12" + program


def _text(text: str) -> bytes:
    return struct.pack("<II", 4, len(text)) + text.encode() + b"\0"


def _vector(tables: list[bytes]) -> bytes:
    """Write a vector of tables that lie right behind it."""
    offsets, bodies, place = b"", b"", 4 * len(tables)
    for index, table in enumerate(tables):
        (inside,) = struct.unpack_from("<I", table)
        offsets += struct.pack("<I", place + len(bodies) + inside - 4 * index)
        bodies += table
    return struct.pack("<II", 4, len(tables)) + offsets + bodies


def _table(fields: dict[int, bytes]) -> bytes:
    """Write the place of a table, and the table: its layout, its fields, and what they refer to."""
    count = max(fields) + 1
    layout = 4 + 2 * count
    order = sorted(fields)
    slots = b"".join(struct.pack("<H", 4 + 4 * order.index(at) if at in fields else 0) for at in range(count))
    body, behind = b"", b""
    for index, at in enumerate(order):
        # What a field refers to begins with the four bytes that are its own offset, which is not used here.
        body += struct.pack("<I", 4 * (len(order) - index) + len(behind))
        behind += fields[at][4:]
    head = struct.pack("<HH", layout, 4 + 4 * len(order)) + slots
    return struct.pack("<I", 4 + len(head)) + head + struct.pack("<i", len(head)) + body + behind
