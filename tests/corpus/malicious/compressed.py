"""Compressed and archived payloads: every codec, layers of them, every archive, nested to some depth."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator

from tests.corpus import opcodes as op
from tests.corpus.archives import SEVEN_ZIP_FILTERS, Member, seven_zip_bytes, tar_bytes, zip_bytes
from tests.corpus.case import Case
from tests.corpus.malicious.joblib_files import COMPRESSORS
from tests.corpus.malicious.numpy_files import npy
from tests.corpus.malicious.payloads import MKDIR_CALL, PAYLOADS, PICKLE, PICKLE0, PICKLE2

_GOOD = op.stream(op.EMPTY_DICT)


def _zip(data: bytes, name: str = "model.pkl", method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr(name, data)
    return buffer.getvalue()


def _streams() -> Iterator[Case]:
    readers = {
        "gz": (gzip.compress, "gzip"),
        "bz2": (bz2.compress, "bz2"),
        "xz": (lzma.compress, "lzma"),
        "zlib": (zlib.compress, "zlib"),
        "lz4": (COMPRESSORS["lz4"], "lz4"),
    }
    for suffix, (compress, loader) in readers.items():
        for name, call in PAYLOADS.items():
            yield Case(f"stream-{name}.pkl.{suffix}", compress(op.stream(call)), f"{loader}_pickle_load")
    alone = lzma.compress(PICKLE, format=lzma.FORMAT_ALONE)
    yield Case("stream-alone.pkl.lzma", alone, "lzma_pickle_load")
    yield Case("stream-trailing.pkl.gz", gzip.compress(PICKLE) + b"\x00" * 64, "gzip_pickle_load")
    yield Case(
        "stream-second-member.pkl.gz",
        gzip.compress(PICKLE[:5]) + gzip.compress(b"") + gzip.compress(PICKLE[5:]),
        "gzip_pickle_load",
    )
    yield Case(
        "stream-wrong-crc.pkl.gz", gzip.compress(PICKLE + b"\x00" * 100_000)[:-8] + b"\x00" * 8, "gzip_pickle_load"
    )
    yield Case("stream-truncated.pkl.gz", gzip.compress(PICKLE + bytes(range(256)) * 4000, 0)[:-9], "gzip_pickle_load")
    yield Case("stream-truncated.pkl.xz", lzma.compress(PICKLE + bytes(range(256)) * 4000)[:-40], "lzma_pickle_load")
    name_field = b"\x1f\x8b\x08\x08" + b"\x00" * 6 + b"data.json\x00" + gzip.compress(PICKLE, mtime=0)[10:]
    yield Case("stream-named.pkl.gz", name_field, "gzip_pickle_load")
    layers = {
        "gz-in-bz2-in-xz": lzma.compress(bz2.compress(gzip.compress(PICKLE))),
        "zlib-in-gz": gzip.compress(zlib.compress(PICKLE)),
        "gz-in-gz": gzip.compress(gzip.compress(PICKLE)),
        "xz-in-zlib": zlib.compress(lzma.compress(PICKLE0)),
        "five-gz": gzip.compress(gzip.compress(gzip.compress(gzip.compress(gzip.compress(PICKLE))))),
    }
    for name, data in layers.items():
        yield Case(f"layers-{name}", data, "nested_pickle_load")


def _pandas() -> Iterator[Case]:
    tar = {mode: tar_bytes({"x.pkl": PICKLE}, f"w:{mode}" if mode else "w") for mode in ("", "gz", "bz2", "xz")}
    files = {
        ".pkl": PICKLE,
        ".pickle": PICKLE2,
        ".pkl.gz": gzip.compress(PICKLE),
        ".pkl.bz2": bz2.compress(PICKLE),
        ".pkl.xz": lzma.compress(PICKLE),
        ".pkl.zip": _zip(PICKLE),
        ".zip": _zip(PICKLE, "anything"),
        ".tar": tar[""],
        ".tar.gz": tar["gz"],
        ".tar.bz2": tar["bz2"],
        ".tar.xz": tar["xz"],
        ".csv": PICKLE,
        ".parquet": PICKLE0,
        ".json.gz": gzip.compress(PICKLE0),
    }
    for suffix, data in files.items():
        yield Case(f"pandas{suffix}", data, "pandas_load")
    for name, call in PAYLOADS.items():
        body = op.stream(op.array(op.integer(1), call))
        yield Case(f"pandas-{name}.pkl.zip", _zip(body, method=zipfile.ZIP_STORED), "pandas_load")
        yield Case(f"pandas-{name}.pkl.tar.gz", tar_bytes({"frame": body}, "w:gz"), "pandas_load")


def _archives() -> Iterator[tuple[str, bytes]]:
    for name, method in (("stored", 0), ("deflated", 8), ("bz2", 12), ("lzma", 14)):
        yield f"zip-method-{name}.zip", _zip(PICKLE, method=method)
    yield "zip-in-zip.zip", _zip(_zip(PICKLE))
    yield "zip-in-zip-in-zip.zip", _zip(_zip(_zip(PICKLE)))
    yield "zip-gz.zip", _zip(gzip.compress(PICKLE), "model.pkl.gz")
    yield "zip-bz2.zip", _zip(bz2.compress(PICKLE), "model.pkl.bz2")
    yield "zip-tar.zip", _zip(tar_bytes({"model.pkl": PICKLE}))
    yield (
        "zip-torch.zip",
        _zip(zip_bytes([Member(name="a/data.pkl", data=PICKLE2), Member(name="a/version", data=b"3\n")]), "model.pt"),
    )
    yield "zip-prefixed.zip", zip_bytes([Member(name="m.pkl", data=PICKLE)], prefix=b"#!/bin/sh\n" * 40)
    yield "zip-prefixed-relative.zip", b"GIF89a" + b"\x00" * 100 + _zip(PICKLE)
    yield "zip-directory-name.zip", _zip(PICKLE, "folder/")
    yield "zip-readme.zip", _zip(PICKLE, "README.md")
    yield "zip-json.zip", _zip(PICKLE0, "config.json")
    yield "zip-safetensors.zip", _zip(PICKLE, "model.safetensors")
    yield "zip-hidden.zip", _zip(PICKLE, "__MACOSX/._model.pkl")
    yield (
        "zip-many.zip",
        zip_bytes([*[Member(name=f"{i}.pkl", data=_GOOD) for i in range(500)], Member(name="m", data=PICKLE)]),
    )
    yield "zip-npy.zip", _zip(PICKLE, "x.npy")
    wheel = [
        Member(name="pkg/__init__.py", data=b""),
        Member(name="pkg-1.dist-info/METADATA", data=b"Name: pkg\n"),
        Member(name="pkg/model.pkl", data=PICKLE, method=8),
    ]
    yield "pkg-1-py3-none-any.whl", zip_bytes(wheel)
    yield "pkg-2-py3-none-any.whl", zip_bytes([*wheel[:2], Member(name="pkg/data.bin", data=PICKLE0)])
    yield "pkg-3-py3-none-any.whl", zip_bytes([*wheel[:2], Member(name="pkg/m.pkl.gz", data=gzip.compress(PICKLE))])
    for mode in ("", "gz", "bz2", "xz"):
        yield (
            f"archive.tar{'.' + mode if mode else ''}",
            tar_bytes({"a.txt": b"hello", "model.pkl": PICKLE}, f"w:{mode}" if mode else "w"),
        )
    for name, form in (("gnu", tarfile.GNU_FORMAT), ("pax", tarfile.PAX_FORMAT), ("ustar", tarfile.USTAR_FORMAT)):
        long = "d" * 90 + "/" + "model.pkl" if form == tarfile.USTAR_FORMAT else "d/" * 120 + "model.pkl"
        yield f"tar-{name}.tar", tar_bytes({long: PICKLE}, form=form)
    yield "tar-in-tar.tar", tar_bytes({"inner.tar": tar_bytes({"m.pkl": PICKLE})})
    yield "tar-zip.tar", tar_bytes({"inner.zip": _zip(PICKLE)})
    yield "tar-gz-member.tar", tar_bytes({"m.pkl.gz": gzip.compress(PICKLE)})
    yield (
        "sdist-1.0.tar.gz",
        tar_bytes({"sdist-1.0/PKG-INFO": b"Name: sdist\n", "sdist-1.0/weights.pkl": PICKLE}, "w:gz"),
    )
    yield "seven.7z", seven_zip_bytes({"model.pkl": PICKLE})
    yield "seven-named-bin.bin", seven_zip_bytes({"x": PICKLE0, "y": b"text"})
    yield (
        "seven-torch.pt",
        seven_zip_bytes(
            {"m.pt": zip_bytes([Member(name="a/data.pkl", data=PICKLE2), Member(name="a/version", data=b"3\n")])}
        ),
    )
    for name, identifier in SEVEN_ZIP_FILTERS.items():
        yield f"seven-{name}.7z", seven_zip_bytes({"model.pkl": PICKLE}, [{"id": identifier}])
    yield "seven-in-zip.zip", _zip(seven_zip_bytes({"model.pkl": PICKLE}), "x.7z")


def cases() -> Iterator[Case]:
    """Make the files."""
    yield from _streams()
    yield from _pandas()
    for name, data in _archives():
        yield Case(f"archived-{name}", data, "members_load")
    yield Case("archived-npy.zip", _zip(npy("'|O'", "(1,)", op.stream(MKDIR_CALL)), "x.npy"), "numpy_load")
