"""Pickles inside pickles: loaders among the allowed-looking names, fed with bytes that are pickles themselves."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator

from tests.corpus import opcodes as op
from tests.corpus.archives import Member, zip_bytes
from tests.corpus.case import Case
from tests.corpus.malicious.payloads import MKDIR_CALL, PICKLE, PICKLE0, PICKLE2

_LOADS = {
    "pickle": ("pickle", "loads"),
    "c-pickle": ("_pickle", "loads"),
    "python-pickle": ("pickle", "_loads"),
    "dill": ("dill", "loads"),
    "cloudpickle": ("cloudpickle", "loads"),
    "torch-storage": ("torch.storage", "_load_from_bytes"),
    "forking-pickler": ("multiprocessing.reduction", "ForkingPickler.loads"),
    "pandas-compat": ("pandas.compat.pickle_compat", "loads"),
}


def _constants() -> dict[str, bytes]:
    """The ways to write the inner pickle as a constant."""
    return {
        "binbytes": op.binbytes(PICKLE),
        "binbytes8": op.binbytes8(PICKLE),
        "bytearray8": op.bytearray8(PICKLE),
        "encoded": op.call(
            op.glob("_codecs", "encode"), op.binunicode(PICKLE2.decode("latin-1")), op.binunicode("latin1")
        ),
        "protocol-0": op.binbytes(PICKLE0),
        "memo": op.binbytes(PICKLE) + op.put(9) + op.POP + op.get(9),
        "twice": op.binbytes(op.stream(op.call(op.glob("pickle", "loads"), op.binbytes(PICKLE)))),
        "framed": op.binbytes(op.proto(4) + op.frame(len(PICKLE) - 2) + PICKLE[2:]),
    }


def _files() -> Iterator[tuple[str, bytes]]:
    for name, (module, function) in _LOADS.items():
        for kind, constant in _constants().items():
            if kind in {"binbytes", "encoded", "bytearray8"} or name == "pickle":
                if name == "pandas-compat" and kind == "bytearray8":
                    continue
                yield f"{name}-{kind}", op.stream(op.call(op.stack_glob(module, function), constant))
    load = op.call(op.glob("pickle", "load"), op.call(op.glob("_io", "BytesIO"), op.binbytes(PICKLE)))
    yield "load-of-bytes-io", op.stream(load)
    unpickler = op.call(op.glob("pickle", "Unpickler"), op.call(op.glob("_io", "BytesIO"), op.binbytes(PICKLE)))
    yield "unpickler-load", op.stream(op.call(op.glob("pickle", "Unpickler.load"), unpickler))
    for name, data in {"zlib": zlib.compress(PICKLE)}.items():
        inflated = op.call(op.glob("zlib", "decompress"), op.binbytes(data))
        yield f"{name}-decompressed", op.stream(op.call(op.glob("pickle", "loads"), inflated))
    for name, module in (("gzip", "gzip"), ("bz2", "bz2"), ("lzma", "lzma")):
        packed = __import__(module).compress(PICKLE)
        yield (
            f"{name}-decompressed",
            op.stream(op.call(op.glob("pickle", "loads"), op.call(op.glob(module, "decompress"), op.binbytes(packed)))),
        )
    for name, function in (("b64decode", "b64decode"), ("b16decode", "b16decode"), ("b85decode", "b85decode")):
        encoded = getattr(__import__("base64"), name.replace("decode", "encode"))(PICKLE)
        yield (
            name,
            op.stream(op.call(op.glob("pickle", "loads"), op.call(op.glob("base64", function), op.binbytes(encoded)))),
        )
    checkpoint = zip_bytes(
        [Member(name="a/data.pkl", data=op.stream(MKDIR_CALL, protocol=2)), Member(name="a/version", data=b"3\n")]
    )
    opened = op.call(op.glob("_io", "BytesIO"), op.binbytes(checkpoint))
    yield (
        "torch-load-zip",
        op.stream(
            op.call(
                op.call(op.glob("functools", "partial"), op.glob("torch", "load"))
                + op.tup(op.glob("torch", "load"), op.tup(opened), op.mapping(weights_only=op.FALSE), op.NONE)
                + op.BUILD
            )
        ),
    )
    yield "storage-from-zip", op.stream(op.call(op.glob("torch.storage", "_load_from_bytes"), op.binbytes(checkpoint)))
    yield (
        "joblib-load-gzip",
        op.stream(
            op.call(op.glob("joblib", "load"), op.call(op.glob("_io", "BytesIO"), op.binbytes(gzip.compress(PICKLE))))
        ),
    )
    yield (
        "numpy-load",
        op.stream(
            op.call(
                op.call(op.glob("functools", "partial"), op.glob("numpy", "load"))
                + op.tup(
                    op.glob("numpy", "load"),
                    op.tup(op.call(op.glob("_io", "BytesIO"), op.binbytes(PICKLE))),
                    op.mapping(allow_pickle=op.TRUE),
                    op.NONE,
                )
                + op.BUILD
            )
        ),
    )
    yield (
        "pandas-read",
        op.stream(
            op.call(op.glob("pandas", "read_pickle"), op.call(op.glob("_io", "BytesIO"), op.binbytes(PICKLE)), op.NONE)
        ),
    )
    grammar = op.call(op.glob("lib2to3.pgen2.grammar", "Grammar"))
    inner = op.stream(op.mapping(x=MKDIR_CALL))
    yield (
        "lib2to3-grammar",
        op.stream(op.call(op.stack_glob("lib2to3.pgen2.grammar", "Grammar.loads"), grammar, op.binbytes(inner))),
    )
    yaml = "!!python/object/apply:os.mkdir [marker]"
    yield "yaml", op.stream(op.call(op.glob("yaml", "unsafe_load"), op.text(yaml)))
    yield (
        "marshal",
        op.stream(
            op.call(
                op.glob("types", "FunctionType"),
                op.call(op.glob("marshal", "loads"), op.binbytes(_code())),
                op.EMPTY_DICT,
            )
            + op.EMPTY_TUPLE
            + op.REDUCE
        ),
    )


def _code() -> bytes:
    import marshal

    return marshal.dumps(compile("__import__('os').mkdir('marker')", "x", "exec"))


def _tensor() -> bytes:
    """A real pickle of a tensor: torch nests its storage as a legacy checkpoint; a payload is put in front of it."""
    import torch

    buffer = io.BytesIO()
    torch.save(torch.zeros(2).untyped_storage(), buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


def cases() -> Iterator[Case]:
    """Make the files."""
    for name, data in _files():
        yield Case(f"nested-{name}.pkl", data)
    storage = _tensor()
    evil = storage.replace(op.proto(2) + b"M\xe9\x03.", op.proto(2) + MKDIR_CALL + b"0M\xe9\x03.", 1)
    yield Case(
        "nested-storage-second-pickle.pkl",
        op.stream(op.call(op.glob("torch.storage", "_load_from_bytes"), op.binbytes(evil)), protocol=2),
    )
