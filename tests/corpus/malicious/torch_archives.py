"""torch zips: what `torch.load` takes for a checkpoint, in every bent shape that it still reads."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from io import BytesIO

from tests.corpus import opcodes as op
from tests.corpus.archives import Member, zip_bytes
from tests.corpus.case import MARKER, Case
from tests.corpus.malicious.payloads import EXEC_CALL, MKDIR_CALL, PAYLOADS, SYSTEM_CALL

_EVIL = op.stream(MKDIR_CALL, protocol=2)
_GOOD = op.stream(op.EMPTY_DICT, protocol=2)
_VERSION = Member(name="archive/version", data=b"3\n")
_BYTEORDER = Member(name="archive/byteorder", data=b"little")
_TENSOR = Member(name="archive/data/0", data=b"\x00" * 64)


def _archive(*members: Member, prefix: bytes = b"", comment: bytes = b"") -> bytes:
    return zip_bytes([*members, _BYTEORDER, _TENSOR, _VERSION], prefix=prefix, comment=comment)


def _member(data: bytes = _EVIL, **fields: object) -> Member:
    return Member(**{"name": "archive/data.pkl", "data": data, **fields})


def _state_dict() -> bytes:
    storage = (
        op.tup(
            op.binunicode("storage"),
            op.glob("torch", "FloatStorage"),
            op.binunicode("0"),
            op.binunicode("cpu"),
            op.integer(16),
        )
        + op.BINPERSID
    )
    hooks = op.call(op.glob("collections", "OrderedDict"))
    shape = op.tup(op.integer(4), op.integer(4))
    tensor = op.call(
        op.glob("torch._utils", "_rebuild_tensor_v2"),
        storage,
        op.integer(0),
        shape,
        op.tup(op.integer(4), op.integer(1)),
        op.FALSE,
        hooks,
    )
    return (
        op.glob("collections", "OrderedDict")
        + op.EMPTY_TUPLE
        + op.REDUCE
        + op.binunicode("weight")
        + tensor
        + op.SETITEM
    )


def _payloads() -> Iterator[tuple[str, bytes]]:
    """Ways to hide the call in a checkpoint's pickle."""
    for name, call in PAYLOADS.items():
        yield f"bare-{name}", op.stream(call, protocol=2)
        yield f"after-state-dict-{name}", op.stream(_state_dict() + call + op.POP, protocol=2)
        yield f"before-state-dict-{name}", op.stream(call + op.POP + _state_dict(), protocol=2)
        yield f"in-state-dict-{name}", op.stream(_state_dict() + op.binunicode("bias") + call + op.SETITEM, protocol=2)
        yield (
            f"in-metadata-{name}",
            op.stream(
                _state_dict() + op.EMPTY_DICT + op.binunicode("_metadata") + call + op.SETITEM + op.BUILD, protocol=2
            ),
        )
    marker = op.binunicode(MARKER)
    location = op.tup(
        op.binunicode("storage"),
        op.glob("torch", "FloatStorage"),
        op.binunicode("0"),
        op.call(op.glob("os", "mkdir"), marker),
        op.integer(16),
    )
    yield "in-persistent-id", op.stream(location + op.BINPERSID + op.POP + op.EMPTY_DICT, protocol=2)
    storage_class = op.tup(
        op.binunicode("storage"), MKDIR_CALL, op.binunicode("0"), op.binunicode("cpu"), op.integer(16)
    )
    yield "as-storage-class", op.stream(storage_class + op.BINPERSID, protocol=2)
    yield "then-garbage", op.proto(2) + MKDIR_CALL + b"\xff\xff"
    yield "truncated", op.proto(2) + SYSTEM_CALL
    yield "protocol-0", MKDIR_CALL + op.STOP
    yield "protocol-5", op.stream(EXEC_CALL, protocol=5)
    tail = op.POP + MKDIR_CALL + op.STOP
    hidden = b"\x8c\x09AAAAA" + b"BBBB" + b"B" + len(tail).to_bytes(4, "little") + tail + b"0}."
    yield "behind-a-frame", op.proto(4) + op.frame(7) + hidden
    yield "hex-int-first", op.stream(op.int_line("0x10") + op.POP + MKDIR_CALL, protocol=2)


def _bent() -> Iterator[tuple[str, bytes]]:
    """Containers that lie."""
    yield "deflated", _archive(_member(method=8))
    yield "wrong-crc", _archive(_member(crc=0xDEADBEEF))
    yield "zero-crc", _archive(_member(crc=0))
    yield "deflated-wrong-crc", _archive(_member(method=8, crc=1))
    for flags in (0x1, 0x2, 0x4, 0x8, 0x20, 0x40, 0x800, 0x2000, 0x8000):
        yield f"local-flags-{flags:#x}", _archive(_member(local_flags=flags))
    for flags in (0x2, 0x4, 0x8, 0x10, 0x80, 0x800, 0x1000, 0x4000, 0x8000):
        yield f"central-flags-{flags:#x}", _archive(_member(flags=flags, local_flags=0))
    yield "local-name-differs", _archive(_member(local_name="archive/data.txt"))
    yield "local-name-same-length", _archive(_member(local_name="archive/dbtb.pkl"))
    yield "local-name-empty", _archive(_member(local_name=""))
    yield "local-name-long", _archive(_member(local_name="a" * 4000))
    yield "local-method-differs", _archive(_member(local_method=8))
    yield "local-method-unknown", _archive(_member(local_method=99))
    yield "local-sizes-zero", _archive(_member(local_sizes=(0, 0)))
    yield "local-sizes-huge", _archive(_member(local_sizes=(0xFFFFFFFE, 0xFFFFFFFE)))
    yield "extract-version", _archive(_member(version=0xFFFF))
    yield "extra-field", _archive(_member(extra=b"FB\x10\x00" + b"Z" * 16))
    yield "duplicate-last-evil", _archive(_member(_GOOD), _member())
    yield "duplicate-first-evil", _archive(_member(), _member(_GOOD))
    yield "duplicate-three", _archive(_member(_GOOD), _member(), _member(_GOOD))
    for name in ("archive/DATA.PKL", "archive/Data.pkl", "ARCHIVE/data.pkl", "archive/data.PKL"):
        yield f"case-{name.replace('/', '-')}", _archive(_member(name=name))
        yield f"case-decoy-{name.replace('/', '-')}", _archive(_member(_GOOD), _member(name=name))
        yield f"case-decoy-first-{name.replace('/', '-')}", _archive(_member(name=name), _member(_GOOD))
    for name in (
        "archive\\data.pkl",
        "other/data.pkl",
        "data.pkl",
        "archive/./data.pkl",
        "archive//data.pkl",
        "../archive/data.pkl",
        "archive/data.pkl\x00.txt",
        "archive/sub/data.pkl",
    ):
        slug = name.replace("/", "-").replace("\\", "-backslash-").replace("\x00", "-nul-")
        yield f"decoy-{slug}", _archive(_member(), _member(_GOOD, name=name))
        yield f"only-{slug}", _archive(_member(name=name))
    yield "hidden-member", _archive(_member(_GOOD, listed=False), _member())
    yield "decoys-many", _archive(*[_member(_GOOD, name=f"archive/{i}.pkl") for i in range(300)], _member())
    yield "comment", _archive(_member(), comment=b"x" * 60_000)
    yield "comment-holds-zip", _archive(_member(_GOOD), comment=_archive(_member()))
    yield "trailing-bytes", _archive(_member()) + b"\x00" * 100
    yield "inside-prefix", b"PK\x03\x04" + b"\x00" * 60 + _archive(_member())
    yield "prefix-local-header", _archive(_member(), prefix=zip_bytes([_member(_GOOD)])[:80])
    yield "no-version", zip_bytes([_member(), _TENSOR])
    yield "no-byteorder", zip_bytes([_member(), _TENSOR, _VERSION])
    yield "version-in-dot-data", zip_bytes([_member(), Member(name="archive/.data/version", data=b"3\n")])
    yield (
        "root-name",
        zip_bytes(
            [
                Member(name=f"{part.name.replace('archive', 'm0del weird/..')}", data=part.data)
                for part in (_member(), _VERSION)
            ]
        ),
    )
    yield "data-last", zip_bytes([_VERSION, _BYTEORDER, _TENSOR, _member()])
    yield (
        "constants",
        _archive(
            _member(), Member(name="archive/constants.pkl", data=_GOOD), Member(name="archive/code/x.py", data=b"pass")
        ),
    )
    yield "two-zips", _archive(_member(_GOOD)) + _archive(_member())


def _rewritten() -> Iterator[tuple[str, bytes]]:
    """Real checkpoints whose pickle was replaced by the ordinary zip tools."""
    for name, method in (("stored", zipfile.ZIP_STORED), ("deflated", zipfile.ZIP_DEFLATED)):
        buffer = BytesIO()
        with zipfile.ZipFile(buffer, "w", method) as archive:
            archive.writestr("model/data.pkl", _EVIL)
            archive.writestr("model/version", "3\n")
        yield f"zipfile-{name}", buffer.getvalue()
        streamed = _Unseekable()
        with zipfile.ZipFile(streamed, "w", method) as archive:
            archive.writestr("model/data.pkl", _EVIL)
            archive.writestr("model/version", "3\n")
        yield f"zipfile-streamed-{name}", streamed.getvalue()


class _Unseekable(BytesIO):
    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise OSError("a stream")

    def tell(self) -> int:
        raise OSError("a stream")


#: Zips that torch itself refuses, or whose other member it prefers; whoever unpacks them finds the payload.
_UNPACKED = (
    "duplicate-last-evil",
    "duplicate-three",
    "case-decoy-archive",
    "case-ARCHIVE",
    "case-decoy-ARCHIVE",
    "case-decoy-first-ARCHIVE",
    "decoy-archive-backslash",
    "decoy-other",
    "decoy-data",
    "decoy-..",
    "only-",
    "comment",
    "inside-prefix",
    "no-version",
    "root-name",
    "constants",
    "two-zips",
)


def cases() -> Iterator[Case]:
    """Make the checkpoints; those with a hidden call also under the other ways of calling `torch.load`."""
    for name, pickle in _payloads():
        yield Case(f"torch-zip-{name}.pt", _archive(_member(pickle)), "torch_load")
    for name, data in (*_bent(), *_rewritten()):
        yield Case(f"torch-zip-{name}.pt", data, "members_load" if name.startswith(_UNPACKED) else "torch_load")
    yield Case("torch-zip-mmap.pt", _archive(_member()), "torch_load_mmap")
    yield Case("torch-zip-file-object.bin", _archive(_member()), "torch_load_file")
    yield Case("torch-zip-wrong-crc-unpacked.zip", _archive(_member(method=8)), "members_load")
