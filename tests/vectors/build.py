"""The vectors of every check, opcode by opcode: ``python -m tests.vectors.build`` writes them.

A file in ``<check>/bad/`` yields a finding of that check, one in ``<check>/good/`` yields none. Nothing in them does
anything but name harmless things, and no test ever loads them.
"""

from __future__ import annotations

import json
import pickle
import struct
import zlib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from tests.corpus import opcodes as op
from tests.corpus.archives import Member, zip_bytes

HERE = Path(__file__).parent
Vectors = Iterator[tuple[str, bytes]]

PLAIN = pickle.dumps({"step": 3, "loss": 0.25, "names": ["a", "b"]}, protocol=4)
_PRINT = op.stream(op.call(op.glob("builtins", "print"), op.text("a vector")), protocol=2)
_ORDERED = op.glob("collections", "OrderedDict")


def vectors() -> dict[str, bytes]:
    """Return every vector by its path."""
    found: dict[str, bytes] = {}
    for check, (bad, good) in (item for family in _families() for item in family.items()):
        for kind, files in (("bad", bad), ("good", good)):
            found |= {f"{check}/{kind}/{name}": data for name, data in files()}
    return found


def _families() -> Iterator[dict]:
    """Yield the checks of this file and of every file beside it that has some: there is no list to edit."""
    yield CHECKS
    for path in sorted(HERE.glob("[!_]*.py")):
        if path.stem != Path(__file__).stem:
            yield getattr(import_module(f"tests.vectors.{path.stem}"), "CHECKS", {})


def safetensors(header: object, body: bytes = b"") -> bytes:
    """Put a header in front of a body; the header may be text that is no JSON."""
    text = header if isinstance(header, str) else json.dumps(header, separators=(",", ":"))
    return struct.pack("<Q", len(text)) + text.encode() + body


def gzip_bytes(data: bytes) -> bytes:
    """Write a gzip file with one stored block, which no version of zlib writes differently."""
    block = b"\x01" + struct.pack("<HH", len(data), len(data) ^ 0xFFFF) + data
    return b"\x1f\x8b\x08" + bytes(6) + b"\xff" + block + struct.pack("<LL", zlib.crc32(data), len(data))


def torch_zip(data: bytes, *others: Member) -> bytes:
    """Write what `torch.save` writes: a stored zip with a pickle and its storages."""
    return zip_bytes(
        [
            Member(name="archive/data.pkl", data=data),
            Member(name="archive/version", data=b"3\n"),
            *others,
        ]
    )


def tensor() -> bytes:
    """Push a tensor of two floats whose storage is the archive's member ``data/0``."""
    place = op.tup(
        op.binunicode("storage"),
        op.glob("torch", "FloatStorage"),
        op.binunicode("0"),
        op.binunicode("cpu"),
        op.integer(2),
    )
    hooks = op.call(_ORDERED)
    shape, stride = op.tup(op.integer(2)), op.tup(op.integer(1))
    rebuild = op.glob("torch._utils", "_rebuild_tensor_v2")
    return op.call(rebuild, place + op.BINPERSID, op.integer(0), shape, stride, op.FALSE, hooks)


def state_dict() -> bytes:
    """Write a checkpoint with one tensor."""
    data = op.stream(op.EMPTY_DICT + op.binunicode("weight") + tensor() + op.SETITEM, protocol=2)
    return torch_zip(data, Member(name="archive/data/0", data=bytes(8)))


def _plain() -> Vectors:
    yield "plain.pkl", PLAIN
    yield "ordered-dict.pkl", op.stream(op.call(_ORDERED), protocol=2)
    yield "state-dict.pt", state_dict()


def _dangerous_imports() -> Vectors:
    yield "global.pkl", op.stream(op.glob("posix", "system"))
    yield "stack-global.pkl", op.stream(op.stack_glob("os", "system"))
    yield "inst.pkl", op.stream(op.inst("builtins", "eval", op.text("1")), protocol=0)
    yield "python-2-name.pkl", op.glob("__builtin__", "eval") + op.STOP
    yield "second-pickle.pkl", PLAIN + op.stream(op.glob("subprocess", "Popen"))
    yield "in-torch.pt", torch_zip(op.stream(op.glob("posix", "system"), protocol=2))
    yield "cut-short.pkl.gz", gzip_bytes(op.stream(op.glob("posix", "system"), protocol=2))[:-4]
    yield "in-gzip.pkl.gz", gzip_bytes(op.stream(op.glob("posix", "system")))


def _needs_classes() -> Vectors:
    yield "own-class.pkl", op.stream(op.glob("project.models", "Classifier") + op.EMPTY_TUPLE + op.NEWOBJ)
    yield "function.pkl", op.stream(op.call(op.stack_glob("project.models", "load"), op.text("x")))


def _pickle_contracts() -> Vectors:
    yield "codec.pkl", op.stream(op.call(op.glob("_codecs", "encode"), op.text("x"), op.text("zlib_codec")), protocol=2)
    yield (
        "shadowed-setstate.pkl",
        op.stream(op.call(_ORDERED) + op.mapping(__setstate__=op.integer(1)) + op.BUILD, protocol=2),
    )
    yield "no-storage.pkl", op.stream(op.call(op.glob("torch._utils", "_rebuild_tensor_v2"), op.text("x")), protocol=2)


def _contracts_kept() -> Vectors:
    yield "bytes.pkl", op.stream(op.call(op.glob("_codecs", "encode"), op.text("x"), op.text("latin1")), protocol=2)
    yield "state-dict.pt", state_dict()


def _pickle_evasion() -> Vectors:
    yield "extension-registry.pkl", op.stream(op.ext(7))
    yield "result-called.pkl", op.stream(op.call(op.call(_ORDERED)), protocol=2)
    yield "class-changed.pkl", op.stream(_ORDERED + op.mapping(update=op.integer(1)) + op.BUILD, protocol=2)


def _unfinished_pickle() -> Vectors:
    yield "cut-short.pkl", op.stream(op.call(_ORDERED), op.text("and more"), protocol=2)[:-4]
    yield "empty-stack.pkl", op.stream(op.call(_ORDERED), op.POP, op.POP, op.POP, protocol=2)
    yield "unknown-opcode.pkl", op.proto(2) + op.call(_ORDERED) + b"\xfe" + op.STOP


def _persistent_ids() -> Vectors:
    yield "line.pkl", op.stream(op.persid_line("model-7"), protocol=0)
    yield "object.pkl", op.stream(op.tup(op.text("row"), op.integer(7)) + op.BINPERSID)


def _archive_anomalies() -> Vectors:
    member = Member(name="archive/data.pkl", data=PLAIN)
    yield "name-twice.pt", zip_bytes([member, Member(name="archive/data.pkl", data=_PRINT)])
    yield "two-names.pt", zip_bytes([Member(name="archive/data.pkl", data=PLAIN, local_name="archive/data.txt")])
    yield "not-listed.pt", zip_bytes([member, Member(name="archive/hidden.pkl", data=_PRINT, listed=False)])
    yield "encrypted.pt", zip_bytes([Member(name="archive/data.pkl", data=PLAIN, flags=1, local_flags=1)])


def _archives() -> Vectors:
    yield "stored.pt", state_dict()
    yield "deflated.zip", zip_bytes([Member(name="data.pkl", data=PLAIN, method=8)])


def _safetensors_header() -> Vectors:
    entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    yield "hole.safetensors", safetensors({"a": entry, "b": entry | {"data_offsets": [16, 24]}}, bytes(24))
    yield "overlap.safetensors", safetensors({"a": entry, "b": entry | {"data_offsets": [4, 12]}}, bytes(12))
    yield "too-long.safetensors", safetensors({"a": entry}, bytes(9))
    yield "unknown-type.safetensors", safetensors({"a": entry | {"dtype": "F33"}}, bytes(8))
    yield "name-twice.safetensors", safetensors('{"a":%s,"a":%s}' % ((json.dumps(entry),) * 2), bytes(8))


def _safetensors() -> Vectors:
    entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    yield "one.safetensors", safetensors({"a": entry}, bytes(8))
    yield "metadata.safetensors", safetensors({"__metadata__": {"format": "pt"}, "a": entry}, bytes(8))
    yield "empty.safetensors", safetensors({})


def _unverifiable() -> Vectors:
    yield "unknown-codec.pkl.zst", b"\x28\xb5\x2f\xfd" + PLAIN
    yield "unknown-method.zip", zip_bytes([Member(name="data.pkl", data=PLAIN, version=63), _imploded()])


def _imploded() -> Member:
    return Member(name="other.pkl", data=PLAIN, local_method=6, method=6)


def _pair(name: str, dtype: str, shape: list[int], body: bytes, tensor: str = "weight") -> Vectors:
    """Put `state_dict` beside a safetensors file of its name."""
    yield f"{name}/pytorch_model.bin", state_dict()
    entry = {"dtype": dtype, "shape": shape, "data_offsets": [0, len(body)]}
    yield f"{name}/model.safetensors", safetensors({tensor: entry}, body)


def _twin_differs() -> Vectors:
    yield from _pair("one-bit", "F32", [2], bytes(7) + b"\x01")
    yield from _pair("other-shape", "F32", [2, 1], bytes(8))
    yield from _pair("half-precision", "F16", [2], bytes(4))
    yield from _pair("renamed", "F32", [2], bytes(8), "weights")


def _twins() -> Vectors:
    yield from _pair("converted", "F32", [2], bytes(8))


CHECKS = {
    "archive-anomalies": (_archive_anomalies, _archives),
    "dangerous-imports": (_dangerous_imports, _plain),
    "persistent-ids": (_persistent_ids, _plain),
    "pickle-contracts": (_pickle_contracts, _contracts_kept),
    "pickle-evasion": (_pickle_evasion, _plain),
    "pickle-imports": (_needs_classes, _plain),
    "safetensors-header": (_safetensors_header, _safetensors),
    "twin-differs": (_twin_differs, _twins),
    "unfinished-pickle": (_unfinished_pickle, _plain),
    "unverifiable": (_unverifiable, _archives),
}


if __name__ == "__main__":
    for place, content in vectors().items():
        file = HERE / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
