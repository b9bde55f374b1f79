"""joblib: every compression, payloads around, inside and disguised as arrays in the stream."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import zlib
from collections.abc import Callable, Iterator

from tests.corpus import opcodes as op
from tests.corpus.case import MARKER, Case
from tests.corpus.malicious.payloads import CODE, MKDIR_CALL, PAYLOADS, PICKLE, PICKLE0


def _lz4(data: bytes) -> bytes:
    import lz4.frame

    return lz4.frame.compress(data)


COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "zlib": zlib.compress,
    "zlib-0": lambda data: zlib.compress(data, 0),
    "zlib-1": lambda data: zlib.compress(data, 1),
    "gzip": gzip.compress,
    "gzip-members": lambda data: gzip.compress(data[:7]) + gzip.compress(data[7:]),
    "bz2": bz2.compress,
    "bz2-streams": lambda data: bz2.compress(data[:7]) + bz2.compress(data[7:]),
    "xz": lzma.compress,
    "xz-no-check": lambda data: lzma.compress(data, check=lzma.CHECK_NONE),
    "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
    "lz4": _lz4,
}


def wrapper(
    shape: int, dtype: bytes, *, order: str = "C", alignment: bytes = op.integer(16), subclass: bytes | None = None
) -> bytes:
    """Write joblib's stand-in for an array, up to the BUILD after which the array's bytes follow in the stream."""
    state = op.mapping(
        subclass=subclass or op.glob("numpy", "ndarray"),
        shape=op.tup(op.integer(shape)),
        order=op.text(order),
        dtype=dtype,
        allow_mmap=op.TRUE,
        numpy_array_alignment_bytes=alignment,
    )
    return op.glob("joblib.numpy_pickle", "NumpyArrayWrapper") + op.EMPTY_TUPLE + op.NEWOBJ + state + op.BUILD


def _dtype(code: str) -> bytes:
    order = b"<" if code not in {"u1", "O8"} else b"|"
    state = op.tup(
        op.integer(3),
        op.text(order.decode()),
        op.NONE,
        op.NONE,
        op.NONE,
        op.integer(-1),
        op.integer(-1),
        op.integer(63 if code == "O8" else 0),
    )
    return op.call(op.glob("numpy", "dtype"), op.text(code), op.FALSE, op.TRUE) + state + op.BUILD


def _padded(before: bytes, data: bytes) -> bytes:
    """Align as joblib does: one byte that says how many follow, then those, then the array."""
    position = len(before) + 1
    padding = 16 - position % 16
    return before + bytes([padding]) + b"\xff" * padding + data


def _in_stream() -> Iterator[tuple[str, bytes, str]]:
    head = op.proto(4) + op.EMPTY_LIST + op.MARK
    array = _padded(head + wrapper(len(PICKLE), _dtype("u1")), PICKLE)
    yield "array-then-payload", array + MKDIR_CALL + op.APPENDS + op.STOP, "joblib_load"
    yield (
        "payload-then-array",
        _padded(op.proto(4) + MKDIR_CALL + op.POP + op.EMPTY_LIST + op.MARK + wrapper(8, _dtype("u1")), b"\x00" * 8)
        + op.APPENDS
        + op.STOP,
        "joblib_load",
    )
    body = MKDIR_CALL + op.STOP
    unpadded = head + wrapper(len(body), _dtype("u1"), alignment=op.NONE) + body
    yield "array-bytes-are-opcodes", unpadded + op.APPENDS + op.STOP, "pickle_load"
    yield "array-bytes-are-opcodes-python", unpadded + op.APPENDS + op.STOP, "pickle_load_python"
    aligned = head + wrapper(64, _dtype("u1"), alignment=op.integer(16))
    # The byte that counts the padding is an opcode to a plain unpickler: 0x0e is none, so it ends there; "(" is MARK.
    jump = op.MARK + MKDIR_CALL + op.STOP
    yield "padding-is-opcodes", aligned + jump + b"\x00" * 200, "pickle_load"
    yield "object-array", head + wrapper(1, _dtype("O8")) + PICKLE + op.APPENDS + op.STOP, "joblib_load"
    yield "object-array-protocol-0", head + wrapper(1, _dtype("O8")) + PICKLE0 + op.APPENDS + op.STOP, "joblib_load"
    nested = op.proto(4) + wrapper(2, _dtype("u1"), alignment=op.NONE) + MKDIR_CALL + op.STOP
    yield "object-array-holds-wrapper", head + wrapper(1, _dtype("O8")) + nested + op.STOP, "joblib_load"
    zero = head + wrapper(0, _dtype("u1"), alignment=op.NONE) + MKDIR_CALL + op.APPENDS + op.STOP
    yield "empty-array", zero, "joblib_load"
    huge = head + wrapper(3, _dtype("u1"), alignment=op.NONE) + b"\x00" * 3 + MKDIR_CALL + op.APPENDS + op.STOP
    yield "short-array", huge, "joblib_load"
    fortran = (
        head + wrapper(4, _dtype("f8"), order="F", alignment=op.NONE) + b"\x00" * 32 + MKDIR_CALL + op.APPENDS + op.STOP
    )
    yield "fortran-array", fortran, "joblib_load"
    subclass = (
        head
        + wrapper(4, _dtype("u1"), alignment=op.NONE, subclass=op.glob("numpy", "memmap"))
        + b"\x00" * 4
        + MKDIR_CALL
        + op.APPENDS
        + op.STOP
    )
    yield "subclass", subclass, "joblib_load"
    state = op.mapping(
        subclass=op.glob("numpy", "ndarray"),
        shape=op.tup(op.integer(2)),
        order=op.text("C"),
        dtype=_dtype("u1"),
        allow_mmap=op.TRUE,
    )
    twice = op.glob("joblib.numpy_pickle", "NumpyArrayWrapper") + op.EMPTY_TUPLE + op.NEWOBJ + state + op.BUILD
    yield "no-alignment-attribute", head + twice + b"\x00\x00" + MKDIR_CALL + op.APPENDS + op.STOP, "joblib_load"
    reduced = op.call(
        op.glob("joblib.numpy_pickle", "NumpyArrayWrapper"),
        op.glob("numpy", "ndarray"),
        op.tup(op.integer(2)),
        op.text("C"),
        _dtype("u1"),
    )
    yield (
        "wrapper-without-build",
        head + reduced + op.EMPTY_DICT + op.BUILD + b"\x00\x00\x00" + MKDIR_CALL + op.APPENDS + op.STOP,
        "joblib_load",
    )
    changed = (
        op.glob("joblib.numpy_pickle", "NumpyArrayWrapper")
        + op.EMPTY_TUPLE
        + op.NEWOBJ
        + op.put(50)
        + state
        + op.BUILD
        + b"\x00\x00"
        + op.POP
    )
    yield "wrapper-from-memo", head + changed + op.get(50) + op.POP + MKDIR_CALL + op.APPENDS + op.STOP, "joblib_load"
    compat = op.glob("joblib.numpy_pickle_compat", "NDArrayWrapper") + op.EMPTY_TUPLE + op.NEWOBJ
    yield "old-wrapper", head + compat + op.POP + MKDIR_CALL + op.APPENDS + op.STOP, "joblib_load"


def _mid_frame() -> Iterator[tuple[str, bytes, str]]:
    """The wrapper is built in the middle of a frame.

    joblib holds the frame in memory, so it reads the array from the file behind the frame and goes on inside it.
    """
    import numpy as np

    payload = MKDIR_CALL + op.STOP
    # Whoever takes the array to follow its wrapper skips the payload and finds a proper end.
    body = wrapper(len(payload), _dtype("u1"), alignment=op.NONE) + payload
    yield "unaligned-mid-frame", op.proto(4) + op.frame(len(body)) + body + b"." * len(payload), "joblib_load"
    # The number of padding bytes, 40, is the opcode MARK.
    body = wrapper(4, _dtype("u1")) + (op.MARK + payload).ljust(45, b".")
    yield "aligned-mid-frame", op.proto(4) + op.frame(len(body)) + body + b"\x00....", "joblib_load"
    nested = wrapper(1, _dtype("O8")) + MKDIR_CALL + op.STOP
    array = pickle.dumps(np.array([None], dtype=object))
    yield "object-mid-frame", op.proto(4) + op.frame(len(nested)) + nested + array, "joblib_load"


def _real() -> Iterator[tuple[str, bytes]]:
    """What joblib itself writes for an estimator, with a payload in a parameter."""
    import joblib
    import numpy as np

    class _Payload:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return exec, (CODE,)

    for name, value in {
        "list": [np.zeros(4), _Payload()],
        "dict": {"w": np.ones((2, 3), order="F"), "b": _Payload()},
        "object-array": np.array([_Payload(), 1], dtype=object),
        "array-after": [_Payload(), np.zeros(100)],
    }.items():
        for compression in (0, ("zlib", 3), ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3), "lz4"):
            buffer = io.BytesIO()
            label = compression if isinstance(compression, str) else (compression[0] if compression else "plain")
            joblib.dump(value, buffer, compress=compression)
            yield f"real-{name}-{label}", buffer.getvalue()


def cases() -> Iterator[Case]:
    """Make the files."""
    for codec, compress in COMPRESSORS.items():
        # joblib's own reader stops after the first gzip member; gzip's does not.
        loader = "gzip_pickle_load" if codec == "gzip-members" else "joblib_load"
        for name, call in PAYLOADS.items():
            body = op.stream(op.array(op.integer(1), call))
            yield Case(f"joblib-{codec}-{name}.joblib", compress(body), loader)
        yield Case(f"joblib-{codec}-trailing.joblib", compress(PICKLE + b"\xff" * 50), loader)
    for name, data, loader in (*_in_stream(), *_mid_frame()):
        yield Case(f"joblib-stream-{name}.joblib", data, loader)
        if loader == "joblib_load":
            yield Case(f"joblib-stream-{name}.joblib.gz", gzip.compress(data), loader)
    for name, data in _real():
        yield Case(f"joblib-{name}.joblib", data, "joblib_load")
    memory = (
        _padded(op.proto(4) + op.EMPTY_LIST + op.MARK + wrapper(4, _dtype("u1")), b"\x00" * 4)
        + MKDIR_CALL
        + op.APPENDS
        + op.STOP
    )
    yield Case(f"joblib-mapped-{MARKER}.joblib", memory, "joblib_load_mmap")
