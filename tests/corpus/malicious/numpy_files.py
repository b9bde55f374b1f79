"""npy and npz files whose objects are payloads, with headers and member names as odd as numpy accepts them."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from tests.corpus import opcodes as op
from tests.corpus.archives import Member, zip_bytes
from tests.corpus.case import Case
from tests.corpus.malicious.payloads import EXEC_CALL, MKDIR_CALL, PICKLE, PICKLE0, PICKLE2, SYSTEM_CALL


def npy(descr: str, shape: str, body: bytes, *, version: int = 1, fortran: bool = False, padding: int = 64) -> bytes:
    """Write an npy file; `descr` and `shape` are Python literals."""
    header = f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}"
    encoding, length = ("utf-8" if version == 3 else "latin-1"), ("<H" if version == 1 else "<I")
    encoded = header.encode(encoding)
    used = 8 + struct.calcsize(length) + len(encoded) + 1
    encoded += b" " * (-used % padding) + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack(length, len(encoded)) + encoded + body


def _files() -> Iterator[tuple[str, bytes]]:
    for version in (1, 2, 3):
        yield f"object-v{version}", npy("'|O'", "(1,)", PICKLE, version=version)
    yield "object-short-name", npy("'O'", "()", PICKLE)
    yield "object-sized", npy("'|O8'", "(1,)", PICKLE)
    yield "object-little", npy("'<O'", "(1,)", PICKLE)
    yield "object-protocol-0", npy("'|O'", "(1,)", PICKLE0)
    yield "object-protocol-2", npy("'|O'", "(1,)", PICKLE2)
    yield "object-fortran", npy("'|O'", "(1, 1)", PICKLE, fortran=True)
    yield "object-empty-shape", npy("'|O'", "(0,)", PICKLE)
    yield "object-huge-shape", npy("'|O'", "(1000000,)", PICKLE)
    yield "object-unpadded", npy("'|O'", "(1,)", PICKLE, padding=1)
    yield "object-widely-padded", npy("'|O'", "(1,)", PICKLE, padding=4096)
    yield "structured-object", npy("[('a', '<f4'), ('b', '|O')]", "(1,)", PICKLE)
    yield "structured-nested", npy("[('a', [('b', [('c', '|O')])])]", "(1,)", PICKLE)
    yield "structured-sub-array", npy("[('a', '|O', (2, 2))]", "(1,)", PICKLE)
    yield "structured-title", npy("[(('title', 'a'), '|O')]", "(1,)", PICKLE)
    yield "structured-escape", npy("[('a', '\\x4f')]", "(1,)", PICKLE)
    yield "descr-escape", npy("'|\\x4f'", "(1,)", PICKLE)
    yield "descr-concatenated", npy("'|' 'O'", "(1,)", PICKLE)
    yield "descr-object-letter", npy("'object'", "(1,)", PICKLE)
    yield "descr-object-name", npy("'object_'", "(1,)", PICKLE)
    yield "trailing-garbage", npy("'|O'", "(1,)", PICKLE + b"\xff" * 64)
    yield "truncated", npy("'|O'", "(1,)", op.proto(4) + MKDIR_CALL)
    yield "list-of-payloads", npy("'|O'", "(3,)", op.stream(op.array(op.integer(1), EXEC_CALL)))
    yield "reduced-array", npy("'|O'", "(2,)", op.stream(op.tup(op.NONE, SYSTEM_CALL)))


def _archives() -> Iterator[tuple[str, bytes]]:
    evil = npy("'|O'", "(1,)", PICKLE)
    good = npy("'<f4'", "(1,)", b"\x00" * 4)
    for name in (
        "arr_0.npy",
        "weights",
        "weights.txt",
        "WEIGHTS.NPY",
        "dir/weights.npy",
        "../weights.npy",
        "weights.npy ",
        "\u202eyyn.npy",
    ):
        yield (
            f"member-{name.strip().replace('/', '-').encode('ascii', 'replace').decode().replace('?', 'bidi')}{'-space' if name.endswith(' ') else ''}",
            zip_bytes([Member(name=name, data=evil)]),
        )
    yield "deflated", zip_bytes([Member(name="a.npy", data=evil, method=8)])
    yield "second-member", zip_bytes([Member(name="a.npy", data=good), Member(name="b.npy", data=evil)])
    yield (
        "hundredth-member",
        zip_bytes([*[Member(name=f"{i}.npy", data=good) for i in range(99)], Member(name="z.npy", data=evil)]),
    )
    yield "duplicate", zip_bytes([Member(name="a.npy", data=good), Member(name="a.npy", data=evil)])
    yield "prefixed", zip_bytes([Member(name="a.npy", data=evil, method=8)], prefix=b"PK\x03\x04")
    yield "comment", zip_bytes([Member(name="a.npy", data=evil)], comment=b"npz" * 1000)
    yield "structured", zip_bytes([Member(name="a.npy", data=npy("[('a', '|O')]", "(1,)", PICKLE))])


def cases() -> Iterator[Case]:
    """Make the files."""
    for name, data in _files():
        yield Case(f"npy-{name}.npy", data, "numpy_load")
    for name, data in _archives():
        yield Case(f"npz-{name}.npz", data, "numpy_load")
    yield Case("npy-is-a-pickle.npy", PICKLE, "numpy_load")
    yield Case("npz-is-a-pickle.npz", PICKLE2, "numpy_load")
    plain = zip_bytes([Member(name="weights.pkl", data=PICKLE)])
    yield Case("npz-raw-pickle-member.npz", plain, "members_load")
