"""The same plain data inside streams and archives, and shelves."""

from __future__ import annotations

import bz2
import dbm.dumb
import gzip
import io
import lzma
import pickle
import shelve
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import lz4.frame
import torch

from tests.corpus.archives import SEVEN_ZIP_FILTERS, seven_zip_bytes, tar_bytes
from tests.corpus.benign import plain
from tests.corpus.benign.tensors import saved
from tests.corpus.case import Case

_PICKLE = pickle.dumps(plain.VALUES["nested"], 4)


def _zip(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def _shelf(values: dict[str, object]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        with dbm.dumb.open(str(Path(folder, "shelf")), "n") as database, shelve.Shelf(database) as shelf:
            shelf.update(values)
        return Path(folder, "shelf.dat").read_bytes()


def cases() -> Iterator[Case]:
    """Make the files."""
    checkpoint = saved({"w": torch.ones(4, 4)})
    yield Case("packed.pkl.gz", gzip.compress(_PICKLE), "gzip_pickle_load")
    yield Case("packed.pkl.bz2", bz2.compress(_PICKLE), "bz2_pickle_load")
    yield Case("packed.pkl.xz", lzma.compress(_PICKLE), "lzma_pickle_load")
    yield Case("packed.pkl.lzma", lzma.compress(_PICKLE, format=lzma.FORMAT_ALONE), "lzma_pickle_load")
    yield Case("packed.pkl.zlib", zlib.compress(_PICKLE), "zlib_pickle_load")
    yield Case("packed.pkl.lz4", lz4.frame.compress(_PICKLE), "lz4_pickle_load")
    yield Case(
        "packed-block-linked.pkl.lz4",
        lz4.frame.compress(_PICKLE * 50, block_linked=True, content_checksum=True),
        "lz4_pickle_load",
    )
    yield Case("packed-layers.xz", lzma.compress(bz2.compress(gzip.compress(_PICKLE))), "nested_pickle_load")
    yield Case(
        "packed-two-members.pkl.gz", gzip.compress(_PICKLE[:20]) + gzip.compress(_PICKLE[20:]), "gzip_pickle_load"
    )
    for name, method in (("stored", 0), ("deflated", 8), ("bz2", 12), ("lzma", 14)):
        yield Case(
            f"packed-{name}.zip", _zip({"a/model.pkl": _PICKLE, "a/readme.txt": b"hello"}, method), "members_load"
        )
    yield Case(
        "packed-nested.zip", _zip({"inner.zip": _zip({"model.pkl": _PICKLE}), "model.pt": checkpoint}), "members_load"
    )
    for mode in ("", "gz", "bz2", "xz"):
        data = tar_bytes({"a/model.pkl": _PICKLE, "a/readme.md": b"# hello\n"}, f"w:{mode}" if mode else "w")
        yield Case(f"packed.tar{'.' + mode if mode else ''}", data, "members_load")
    yield Case("packed.7z", seven_zip_bytes({"model.pkl": _PICKLE, "notes.txt": b"hello"}), "members_load")
    for name in ("copy", "deflate", "bzip2"):
        data = seven_zip_bytes({"model.pkl": _PICKLE}, [{"id": SEVEN_ZIP_FILTERS[name]}])
        yield Case(f"packed-{name}.7z", data, "members_load")
    yield Case("packed-torch.tar.gz", tar_bytes({"model.pt": checkpoint}, "w:gz"), "members_load")
    yield Case("packed-torch.pt.gz", gzip.compress(checkpoint), "gzip_torch_load")
    wheel = {
        "pkg/__init__.py": b"",
        "pkg/table.pkl": _PICKLE,
        "pkg-1.dist-info/METADATA": b"Name: pkg\n",
        "pkg-1.dist-info/RECORD": b"",
    }
    yield Case("pkg-1.0-py3-none-any.whl", _zip(wheel), "members_load")
    yield Case("packed-shelf.dat", _shelf({"one": plain.VALUES["nested"]}), "pickle_load")
    yield Case("packed-shelf-many.dat", _shelf({str(i): [i, "x" * i] for i in range(40)}), "pickle_load")
