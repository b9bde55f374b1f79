"""torch files from before the zip: five pickles in a row and then storages; and the tar of the very first releases."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from tests.corpus import opcodes as op
from tests.corpus.archives import tar_bytes
from tests.corpus.case import MARKER, Case
from tests.corpus.malicious.payloads import MKDIR_CALL, PAYLOADS

_MAGIC = op.proto(2) + b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
_PROTOCOL = op.stream(op.integer(1001), protocol=2)
_SYSTEM = op.stream(
    op.mapping(protocol_version=op.integer(1001), little_endian=op.TRUE, type_sizes=op.EMPTY_DICT), protocol=2
)
_OBJECT = op.stream(op.EMPTY_DICT, protocol=2)
_KEYS = op.stream(op.EMPTY_LIST, protocol=2)
_PARTS = {"magic": _MAGIC, "protocol": _PROTOCOL, "system": _SYSTEM, "object": _OBJECT, "keys": _KEYS}

#: What a pickle has to come to, so that the loader reads on to the next.
_RESULTS = {
    "magic": b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19",
    "protocol": op.integer(1001),
    "system": op.mapping(little_endian=op.TRUE),
    "object": op.EMPTY_DICT,
    "keys": op.EMPTY_LIST,
}


def _legacy(**replaced: bytes) -> bytes:
    return b"".join({**_PARTS, **replaced}.values())


def _tensor_object(extra: bytes) -> bytes:
    storage = op.tup(
        op.binunicode("storage"),
        op.glob("torch", "FloatStorage"),
        op.binunicode("1"),
        op.binunicode("cpu"),
        op.integer(4),
        op.NONE,
    )
    return op.stream(storage + op.BINPERSID + op.POP + extra, protocol=2)


def _files() -> Iterator[tuple[str, bytes]]:
    for part, result in _RESULTS.items():
        for name, call in PAYLOADS.items():
            yield f"{part}-{name}", _legacy(**{part: op.stream(call + op.POP + result, protocol=2)})
        yield f"{part}-replaced", _legacy(**{part: op.stream(MKDIR_CALL, protocol=2)})
    stored = struct.pack("<q", 4) + b"\x00" * 16
    keys = op.stream(op.array(op.binunicode("1")), protocol=2)
    yield "object-after-storage", _legacy(object=_tensor_object(MKDIR_CALL), keys=keys) + stored
    yield (
        "keys-after-storage",
        _legacy(
            object=_tensor_object(op.EMPTY_DICT),
            keys=op.stream(op.array(op.binunicode("1")) + MKDIR_CALL + op.POP, protocol=2),
        )
        + stored,
    )
    module = op.tup(
        op.binunicode("module"),
        op.call(op.glob("os", "mkdir"), op.binunicode(MARKER)),
        op.binunicode("x.py"),
        op.binunicode("pass"),
    )
    yield "module-persistent-id", _legacy(object=op.stream(module + op.BINPERSID, protocol=2))
    yield (
        "trailing-pickle-in-storage",
        _legacy(object=_tensor_object(MKDIR_CALL), keys=keys) + stored + op.stream(MKDIR_CALL),
    )
    yield "magic-by-protocol-0", _legacy(magic=b"L119547037146038801333356L\n" + MKDIR_CALL + op.POP + op.STOP)
    yield "only-payload", op.stream(MKDIR_CALL, protocol=2)
    yield "payload-then-nothing", _MAGIC + op.stream(MKDIR_CALL, protocol=2)
    yield "protocol-4", _legacy(object=op.stream(MKDIR_CALL))


def _tars() -> Iterator[tuple[str, bytes]]:
    none = op.stream(op.integer(0), protocol=2)
    parts = {"storages": none + op.stream(op.EMPTY_LIST, protocol=2), "tensors": none, "pickle": _OBJECT}
    for part in parts:
        evil = op.stream(MKDIR_CALL + op.POP + op.integer(0), protocol=2)
        yield f"{part}", tar_bytes({**parts, part: evil})
    yield "pickle-deep", tar_bytes({**parts, "pickle": op.stream(op.array(MKDIR_CALL), protocol=2)})
    yield "pickle-with-decoy", tar_bytes({"pickle.bak": _OBJECT, **parts, "pickle": op.stream(MKDIR_CALL, protocol=2)})


def cases() -> Iterator[Case]:
    """Make the files."""
    for name, data in _files():
        yield Case(f"torch-legacy-{name}.pth", data, "torch_load")
    for name, data in _tars():
        yield Case(f"torch-tar-{name}.tar", data, "torch_load")
    yield Case("torch-legacy-file-object.bin", _legacy(object=op.stream(MKDIR_CALL, protocol=2)), "torch_load_file")
    yield Case("torch-legacy-by-pickle.pth", _legacy(keys=op.stream(MKDIR_CALL, protocol=2)), "pickle_load_all")
