"""Files that are two things at once: one for the eye or the scanner, and a pickle for the loader."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Iterator

from tests.corpus import opcodes as op
from tests.corpus.archives import Member, tar_bytes, zip_bytes
from tests.corpus.case import Case
from tests.corpus.malicious.numpy_files import npy
from tests.corpus.malicious.payloads import MKDIR_CALL, PAYLOADS, PICKLE, PICKLE0, PICKLE2

_GOOD = op.stream(op.EMPTY_DICT)
_GOOD_TORCH = zip_bytes(
    [Member(name="a/data.pkl", data=op.stream(op.EMPTY_DICT, protocol=2)), Member(name="a/version", data=b"3\n")]
)
_EVIL_TORCH = zip_bytes([Member(name="a/data.pkl", data=PICKLE2), Member(name="a/version", data=b"3\n")])


def _safetensors(payload: bytes = b"") -> bytes:
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return struct.pack("<Q", len(header)) + header + b"\x00" * 4 + payload


def _pickle_first() -> Iterator[tuple[str, bytes]]:
    yield "zip-appended", PICKLE + _GOOD_TORCH
    yield "torch-appended", PICKLE0 + _GOOD_TORCH
    yield "safetensors-appended", PICKLE + _safetensors()
    yield "gzip-appended", PICKLE + gzip.compress(_GOOD)
    yield "npy-appended", PICKLE + npy("'<f4'", "(1,)", b"\x00" * 4)
    yield "tar-appended", PICKLE + tar_bytes({"a": b"x"})
    yield "script-appended", PICKLE + b"\nprint('hello')\n"
    yield "json-appended", PICKLE0 + b'{"a": 1}'
    for name, call in PAYLOADS.items():
        yield f"zip-inside-constant-{name}", op.stream(op.binbytes8(_GOOD_TORCH) + op.POP + call)
        yield f"pickle-is-zip-prefix-{name}", zip_bytes([Member(name="a/version", data=b"3\n")], prefix=op.stream(call))
    prefix = PICKLE + b"\x00" * (257 - len(PICKLE))
    yield "tar-magic-inside", prefix + b"ustar\x0000" + b"\x00" * 800
    # Eight bytes that read as the length of a safetensors header and as opcodes: "(" "N" "0" ... "0".
    length = b"(N0NNNNN"
    yield "safetensors-length-is-opcodes", length + MKDIR_CALL + op.STOP + b" " * 64
    header = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    yield "safetensors-length-zero-like", b"]" * 8 + MKDIR_CALL + op.STOP + header
    yield "text-comment-like", b"I0\n0" * 20 + PICKLE0
    yield "html-like", b"Vhtml>hello\n0" + PICKLE0
    yield "json-like", b"]I1\nI2\n0" * 3 + PICKLE0[:-1] + op.STOP + b"]"
    yield "gguf-constant", op.stream(op.binbytes(b"GGUF\x03\x00\x00\x00") + op.POP + MKDIR_CALL)
    yield "pdf-constant", b"V%PDF-1.7\n0" + PICKLE0
    yield "png-constant", op.stream(op.binbytes(b"\x89PNG\r\n\x1a\n") + op.POP + MKDIR_CALL)


def _pickle_later() -> Iterator[tuple[str, bytes, str]]:
    yield "data-then-pickle", _GOOD + PICKLE, "pickle_load_all"
    yield "data-pickle-then-zip", _GOOD + zip_bytes([Member(name="m.pkl", data=PICKLE)]), "members_load"
    yield "safetensors-then-zip", _safetensors() + zip_bytes([Member(name="m.pkl", data=PICKLE)]), "members_load"
    yield (
        "npy-then-zip",
        npy("'<f4'", "(1,)", b"\x00" * 4) + zip_bytes([Member(name="m.pkl", data=PICKLE)]),
        "members_load",
    )
    yield "tar-torch", tar_bytes({"model.pt": _EVIL_TORCH, "readme": b"x"}), "members_load"
    yield "torch-good-then-evil", _GOOD_TORCH + zip_bytes([Member(name="m.pkl", data=PICKLE)]), "members_load"
    yield (
        "torch-member-is-pickle",
        zip_bytes(
            [
                Member(name="a/data.pkl", data=op.stream(op.EMPTY_DICT, protocol=2)),
                Member(name="a/version", data=b"3\n"),
                Member(name="a/extra/notes", data=PICKLE),
            ]
        ),
        "members_load",
    )
    yield (
        "torch-storage-is-pickle",
        zip_bytes(
            [
                Member(name="a/data.pkl", data=op.stream(op.EMPTY_DICT, protocol=2)),
                Member(name="a/version", data=PICKLE),
            ]
        ),
        "members_load",
    )
    yield "gzip-torch", gzip.compress(PICKLE) + _GOOD_TORCH, "gzip_pickle_load"
    yield (
        "torch-tar-prefix",
        tar_bytes(
            {"storages": op.stream(MKDIR_CALL + op.POP + op.integer(0), protocol=2), "tensors": _GOOD, "pickle": _GOOD}
        )
        + _GOOD_TORCH,
        "torch_load",
    )
    yield "shelf", PICKLE, "shelve_load"


def cases() -> Iterator[Case]:
    """Make the files."""
    for name, data in _pickle_first():
        yield Case(f"polyglot-{name}.bin", data)
    for name, data, loader in _pickle_later():
        yield Case(f"polyglot-{name}.dat", data, loader)
    yield Case("polyglot-joblib-reads-zlib.pkl", b"x\x9c" + __import__("zlib").compress(PICKLE)[2:], "joblib_load")
    yield Case("polyglot-numpy-reads-pickle.txt", PICKLE0, "numpy_load")
    yield Case("polyglot-pandas-reads-torch.pkl", PICKLE + _GOOD_TORCH, "pandas_load")
    yield Case("polyglot-torch-reads-legacy.zip", PICKLE2, "torch_load")
    yield Case("polyglot-dill.pkl", PICKLE, "dill_load")
