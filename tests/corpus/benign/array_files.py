"""npy and npz by `numpy.save`, and what `joblib.dump` writes, by every compressor."""

from __future__ import annotations

import io
from collections.abc import Iterator

import joblib
import numpy as np

from tests.corpus.benign import arrays, plain
from tests.corpus.case import Case


def _npy(value: object, **options: object) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, value, **options)
    return buffer.getvalue()


def _npz(writer: object, **values: object) -> bytes:
    buffer = io.BytesIO()
    writer(buffer, **values)
    return buffer.getvalue()


def _dumped(value: object, compress: object = 0, protocol: int | None = None) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(value, buffer, compress=compress, protocol=protocol)
    return buffer.getvalue()


def _numpy_files() -> Iterator[Case]:
    values = arrays.values()
    for name in (
        "zero-dimensional",
        "empty",
        "fortran",
        "structured",
        "nested-structured",
        "datetimes",
        "strings",
        "byte-strings",
        "void",
        "big",
    ):
        yield Case(f"npy-{name}.npy", _npy(values[name]), "numpy_load")
    for name in ("objects", "objects-nested"):
        yield Case(f"npy-{name}.npy", _npy(values[name]), "numpy_load")
    wide = np.zeros(1, dtype=[(f"a very long name of a column {i}", "f4") for i in range(3000)])
    yield Case("npy-version-2.npy", _npy(wide), "numpy_load")
    yield Case("npy-version-3.npy", _npy(np.zeros(1, dtype=[("é\u20ac", "f4")])), "numpy_load")
    some = {"a": np.arange(3), "b": np.eye(2), "c": np.array(["x"])}
    yield Case("npz-plain.npz", _npz(np.savez, **some), "numpy_load")
    yield Case("npz-compressed.npz", _npz(np.savez_compressed, **some), "numpy_load")
    yield Case("npz-objects.npz", _npz(np.savez, o=values["objects"]), "numpy_load")
    yield Case("npz-objects-compressed.npz", _npz(np.savez_compressed, o=values["objects"], p=np.eye(2)), "numpy_load")


def _joblib_values() -> dict[str, object]:
    values = arrays.values()
    return {
        "arrays": {"a": np.arange(1000.0), "b": np.asfortranarray(np.ones((3, 4))), "c": [np.zeros(3, "i2")] * 2},
        "objects": values["objects"],
        "plain": plain.VALUES["nested"],
        "everything": values,
    }


def cases() -> Iterator[Case]:
    """Make the files."""
    yield from _numpy_files()
    values = _joblib_values()
    compressors = {
        "none": 0,
        "zlib": ("zlib", 3),
        "gzip": ("gzip", 3),
        "bz2": ("bz2", 3),
        "xz": ("xz", 3),
        "lzma": ("lzma", 3),
        "lz4": ("lz4", 3),
    }
    for compressor, compress in compressors.items():
        for name in ("arrays", "plain", "everything"):
            yield Case(f"joblib-{name}-{compressor}.joblib", _dumped(values[name], compress), "joblib_load")
    yield Case("joblib-objects.pkl", _dumped(values["objects"]), "joblib_load")
    yield Case("joblib-single-array.joblib", _dumped(np.arange(5)), "joblib_load")
    yield Case("joblib-masked.joblib", _dumped(arrays.values()["masked"]), "joblib_load")
    yield Case("joblib-memmap.joblib", _dumped(np.arange(10).view(np.ndarray)), "joblib_load_mmap")
    for protocol in (2, 3, 4, 5):
        yield Case(
            f"joblib-arrays-protocol-{protocol}.joblib", _dumped(values["arrays"], protocol=protocol), "joblib_load"
        )
