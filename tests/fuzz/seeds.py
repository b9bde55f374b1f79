"""Honest files of every format, small, for the fuzzer to mutate; and beside them all vectors and the whole corpus.

Each writer imports its library itself, so that a run over one format imports one.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

Seeds = Iterator[tuple[str, bytes]]

LARGEST = 60_000
"""Bytes of a seed; a mutation of more seldom reaches what matters."""

_VECTORS = Path(__file__).parent.parent / "vectors"
_TREE = {"step": 3, "loss": 0.25, "names": ["a", "b"], "nested": {"deep": (1, 2.5, None, b"bytes")}}


def _zip() -> Seeds:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as archive:
            archive.writestr("archive/data.pkl", pickle.dumps(_TREE, 2))
            archive.writestr("archive/data/0", bytes(64))
            archive.writestr("config.json", json.dumps({"chat_template": "{{ messages[0] }}"}))
        yield f"method-{method}.zip", file.getvalue()


def _tar() -> Seeds:
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w", format=form) as archive:
            for name in ("pickle", "tensors", "é" * 40, "folder/storages"):
                data = pickle.dumps(_TREE)
                header = tarfile.TarInfo(name)
                header.size = len(data)
                archive.addfile(header, io.BytesIO(data))
        yield f"form-{form}.tar", file.getvalue()


def _compressed() -> Seeds:
    data = pickle.dumps([_TREE] * 3) + bytes(2000)
    yield "a.pkl.gz", gzip.compress(data, mtime=0)
    yield "two.pkl.gz", gzip.compress(data, mtime=0) + gzip.compress(b"N.", mtime=0)
    yield "a.pkl.z", zlib.compress(data)
    yield "a.pkl.bz2", bz2.compress(data)
    yield "a.pkl.xz", lzma.compress(data)
    yield "a.pkl.lzma", lzma.compress(data, lzma.FORMAT_ALONE)


def _lz4() -> Seeds:
    from lz4 import frame

    for linked in (True, False):
        yield f"linked-{linked}.pkl.lz4", frame.compress(pickle.dumps([_TREE] * 40), block_linked=linked)


def _seven_zip() -> Seeds:
    import py7zr

    for number, filters in enumerate((None, [{"id": py7zr.FILTER_BZIP2}], [{"id": py7zr.FILTER_COPY}])):
        file = io.BytesIO()
        with py7zr.SevenZipFile(file, "w", filters=filters) as archive:
            archive.writestr(pickle.dumps(_TREE), "a.pkl")
            archive.writestr(bytes(300), "folder/b.bin")
        yield f"filters-{number}.7z", file.getvalue()


def _numpy() -> Seeds:
    import numpy

    for number, array in enumerate(
        (numpy.arange(6.0).reshape(2, 3), numpy.array([_TREE], dtype=object), numpy.zeros(2, "i4,(2,)f8"))
    ):
        file = io.BytesIO()
        numpy.save(file, array)
        yield f"array-{number}.npy", file.getvalue()
        file = io.BytesIO()
        numpy.savez_compressed(file, a=array, b=array)
        yield f"array-{number}.npz", file.getvalue()


def _safetensors() -> Seeds:
    import numpy
    from safetensors.numpy import save

    yield "a.safetensors", save({"a": numpy.ones((2, 3), "f4"), "b": numpy.ones(5, "i8")}, {"format": "np"})


def _joblib() -> Seeds:
    import joblib
    import numpy

    for compress in (0, ("zlib", 3), ("xz", 3), ("bz2", 3), ("lzma", 3)):
        file = io.BytesIO()
        joblib.dump({**_TREE, "array": numpy.ones(30), "objects": numpy.array([{}, []], dtype=object)}, file, compress)
        yield f"{compress and compress[0]}.joblib", file.getvalue()


def _torch() -> Seeds:
    import torch

    shared = torch.arange(6.0)
    tree = {"a": shared.view(2, 3), "b": shared[1:4], "c": torch.ones(3, dtype=torch.bfloat16), **_TREE}
    for modern in (True, False):
        file = io.BytesIO()
        torch.save(tree, file, _use_new_zipfile_serialization=modern)
        yield f"modern-{modern}.pt", file.getvalue()


def _hdf5() -> Seeds:
    import h5py
    import numpy

    for oldest in ("earliest", "latest"):
        file = io.BytesIO()
        with h5py.File(file, "w", libver=oldest) as store:
            store.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": {"layers": []}})
            store.create_dataset("group/values", data=numpy.arange(40.0), chunks=(8,), compression="gzip")
            store["group/text"] = "text"
        yield f"{oldest}.h5", file.getvalue()


def _onnx() -> Seeds:
    from tests.fuzz.onnx_seeds import onnx_files

    yield from onnx_files()


def _gguf() -> Seeds:
    from tests.fuzz.onnx_seeds import gguf_files

    yield from gguf_files()


def _skops() -> Seeds:
    import numpy
    from sklearn.linear_model import LinearRegression
    from skops.io import dumps

    yield "a.skops", dumps(LinearRegression().fit(numpy.arange(4.0).reshape(4, 1), numpy.arange(4.0)))
    yield "b.skops", dumps({**{key: _TREE[key] for key in ("step", "names")}, "array": numpy.ones(3)})


def _json() -> Seeds:
    template = "{% for m in messages %}{{ m['role'] + ': ' + m.content | trim }}\n{% endfor %}"
    yield "tokenizer_config.json", json.dumps({"chat_template": template, "model_max_length": 10**30}).encode()
    named = [{"name": "default", "template": template}, {"name": "tool_use", "template": template}]
    yield "tokenizer_config.json", json.dumps({"chat_template": named}).encode("utf-16")
    yield "config.json", json.dumps({"auto_map": {"AutoModel": "modeling.Model"}, "dims": [1, 2.5, None]}).encode()


def _jinja() -> Seeds:
    template = (
        b"{%- if tools is defined and tools %}{{ tools | map(attribute='name') | join(', ') }}{%- endif -%}\n"
        b"{# a comment #}{% raw %}{{ raw }}{% endraw %}{%- set ns = namespace(first=true) %}"
        b"{% for m in messages[1:] %}{{ m['content']|tojson(indent=4) ~ \"\\n\\u0041\" }}{% set ns.first = false %}"
        b"{% endfor %}{{ 1_000 // 3 ** 2 if add_generation_prompt else '<|' ~ role ~ '|>' }}"
    )
    yield "chat_template.jinja", template


def _pickle() -> Seeds:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        yield f"protocol-{protocol}.pkl", pickle.dumps([_TREE, {1, 2}, 2**70, "ä" * 40], protocol)


def _vectors() -> Seeds:
    yield from _vectors_of("*")


def _vectors_of(*checks: str) -> Seeds:
    for check in checks:
        for path in sorted(_VECTORS.glob(f"{check}/*/**/*")):
            if path.is_file():
                yield path.name, path.read_bytes()


def _keras() -> Seeds:
    yield from _vectors_of("keras-objects", "hdf5-references")


def _tensorflow() -> Seeds:
    yield from _vectors_of("tensorflow-ops")


def _programs() -> Seeds:
    yield from _vectors_of("torch-programs", "native-code", "export-expressions")


def _corpus() -> Seeds:
    from tests.corpus import benign, malicious

    for cases in (benign.cases(), malicious.cases()):
        for case in cases:
            yield case.name, case.data


WRITERS: dict[str, Callable[[], Seeds]] = {
    "keras": _keras,
    "tensorflow": _tensorflow,
    "programs": _programs,
    "vectors": _vectors,
    "zip": _zip,
    "tar": _tar,
    "compressed": _compressed,
    "pickle": _pickle,
    "json": _json,
    "jinja": _jinja,
    "lz4": _lz4,
    "numpy": _numpy,
    "safetensors": _safetensors,
    "seven-zip": _seven_zip,
    "joblib": _joblib,
    "torch": _torch,
    "hdf5": _hdf5,
    "onnx": _onnx,
    "gguf": _gguf,
    "skops": _skops,
    "corpus": _corpus,
}
"""Format -> what writes its seeds. ``vectors`` reaches every format that has a check of its own."""

LIGHT = ("vectors", "zip", "tar", "compressed", "pickle", "json", "jinja")
"""Those that need no library, for the short run in the test suite."""


def seeds(name: str) -> list[tuple[str, bytes]]:
    """Return the seeds of a format: names and bytes, in an order that is always the same."""
    return [(file, data) for file, data in WRITERS[name]() if 0 < len(data) <= LARGEST]
