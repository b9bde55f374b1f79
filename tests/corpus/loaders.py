"""The real loaders, by name. Each takes a path and loads it as a careless user would."""

from __future__ import annotations

import bz2
import copyreg
import gzip
import io
import lzma
import pickle
import shelve
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path


def pickle_load(path: Path) -> object:
    """Load the first pickle with the C unpickler."""
    with path.open("rb") as file:
        return pickle.load(file)


def pickle_load_buffered(path: Path) -> object:
    """Load from memory: frames are then checked against the whole buffer."""
    return pickle.loads(path.read_bytes())


def pickle_load_bytes_io(path: Path) -> object:
    """Load from a file object that cannot peek, as `torch.load` does with what it takes from a zip."""
    return pickle.load(io.BytesIO(path.read_bytes()))


def pickle_load_python(path: Path) -> object:
    """Load with the unpickler written in Python, as joblib and pandas do."""
    with path.open("rb") as file:
        return pickle._Unpickler(file).load()


def pickle_load_utf8(path: Path) -> object:
    """Load as `torch.load` does: Python 2 strings are UTF-8."""
    with path.open("rb") as file:
        return pickle.load(file, encoding="utf-8")


def pickle_load_bytes(path: Path) -> object:
    """Load with Python 2 strings as bytes."""
    with path.open("rb") as file:
        return pickle.load(file, encoding="bytes")


def pickle_load_all(path: Path) -> object:
    """Load pickle after pickle until the file ends."""
    loaded = []
    with path.open("rb") as file:
        while True:
            try:
                loaded.append(pickle.load(file))
            except EOFError:
                return loaded


def pickle_load_extensions(path: Path) -> object:
    """Load in a program that has registered extension codes."""

    copyreg.add_extension("os", "mkdir", 7)
    copyreg.add_extension("posix", "mkdir", 300)
    copyreg.add_extension("builtins", "exec", 70000)
    return pickle_load(path)


def pickle_load_and_index(path: Path) -> object:
    """Load and then look a key up, as code that uses a loaded dictionary does."""
    loaded = pickle_load(path)
    return loaded["absent"]


def pickle_load_and_compare(path: Path) -> object:
    """Load and then use the object in the ordinary ways: print it, iterate, close."""
    loaded = pickle_load(path)
    return repr(loaded), bool(loaded), list(loaded)


def torch_load(path: Path) -> object:
    """`torch.load` as most projects still call it."""
    import torch

    return torch.load(path, weights_only=False, map_location="cpu")


def torch_load_mmap(path: Path) -> object:
    """`torch.load` with the storages mapped."""
    import torch

    return torch.load(path, weights_only=False, map_location="cpu", mmap=True)


def torch_load_file(path: Path) -> object:
    """`torch.load` of a file object that is already open."""
    import torch

    return torch.load(io.BytesIO(path.read_bytes()), weights_only=False, map_location="cpu")


def gzip_torch_load(path: Path) -> object:
    """`torch.load(gzip.open(...))`."""
    import torch

    with gzip.open(path) as file:
        return torch.load(io.BytesIO(file.read()), weights_only=False)


def joblib_load(path: Path) -> object:
    """`joblib.load`, which finds out the compression by itself."""
    import joblib

    return joblib.load(path)


def joblib_load_mmap(path: Path) -> object:
    """`joblib.load` with mapped arrays."""
    import joblib

    return joblib.load(path, mmap_mode="r")


def numpy_load(path: Path) -> object:
    """`numpy.load` with objects allowed; every member of an npz is read."""
    import numpy as np

    loaded = np.load(path, allow_pickle=True)
    return [loaded[name] for name in loaded.files] if hasattr(loaded, "files") else loaded


def pandas_load(path: Path) -> object:
    """`pandas.read_pickle`, compression by suffix."""
    import pandas as pd

    return pd.read_pickle(path)


def dill_load(path: Path) -> object:
    """`dill.load`."""
    import dill

    with path.open("rb") as file:
        return dill.load(file)


def shelve_load(path: Path) -> object:
    """Read every value of a shelf kept by `dbm.dumb`; `path` is its ``.dat`` file, with one value at its start."""
    folder = path.with_suffix("")
    folder.with_suffix(".dir").write_text(f"'key', (0, {path.stat().st_size})\n")
    import dbm.dumb

    with dbm.dumb.open(str(folder), "r") as database, shelve.Shelf(database) as shelf:
        return [shelf[key] for key in shelf]


def gzip_pickle_load(path: Path) -> object:
    """`pickle.load(gzip.open(...))`, a common idiom."""
    with gzip.open(path) as file:
        return pickle.load(file)


def bz2_pickle_load(path: Path) -> object:
    """`pickle.load(bz2.open(...))`."""
    with bz2.open(path) as file:
        return pickle.load(file)


def lzma_pickle_load(path: Path) -> object:
    """`pickle.load(lzma.open(...))`, xz and lzma alike."""
    with lzma.open(path) as file:
        return pickle.load(file)


def zlib_pickle_load(path: Path) -> object:
    """`pickle.loads(zlib.decompress(...))`."""
    return pickle.loads(zlib.decompress(path.read_bytes()))


def lz4_pickle_load(path: Path) -> object:
    """`pickle.load(lz4.frame.open(...))`."""
    import lz4.frame

    with lz4.frame.open(path) as file:
        return pickle.load(file)


def nested_pickle_load(path: Path) -> object:
    """Undo layer after layer of stream compression, then unpickle."""
    data = path.read_bytes()
    inflate = {
        b"\x1f\x8b": gzip.decompress,
        b"BZ": bz2.decompress,
        b"\xfd7": lzma.decompress,
        b"x\x9c": zlib.decompress,
    }
    while data[:2] in inflate:
        data = inflate[data[:2]](data)
    return pickle.loads(data)


def members_load(path: Path) -> object:
    """Unpack an archive (zip, wheel, tar, 7z), archives in it too, and unpickle what is in it."""
    return [_load_member(data) for data in _members(path.read_bytes())]


def _members(data: bytes) -> list[bytes]:
    file = io.BytesIO(data)
    if data[:6] == b"7z\xbc\xaf\x27\x1c":
        import tempfile

        import py7zr

        with tempfile.TemporaryDirectory() as folder, py7zr.SevenZipFile(file) as archive:
            archive.extractall(folder)
            return [member.read_bytes() for member in Path(folder).rglob("*") if member.is_file()]
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            return [archive.read(info) for info in archive.infolist()]
    file.seek(0)
    with tarfile.open(fileobj=file) as archive:
        return [archive.extractfile(info).read() for info in archive if info.isfile()]


def _load_member(data: bytes) -> object:
    nested = data[:4] == b"PK\x03\x04" or data[257:262] == b"ustar" or data[:3] in {b"7z\xbc", b"\x1f\x8b\x08", b"BZh"}
    if nested:
        try:
            return [_load_member(member) for member in _members(data)]
        except tarfile.ReadError:
            data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else bz2.decompress(data)
    try:
        return pickle.loads(data)
    except Exception as error:  # the next member may still be a pickle
        return error


def safetensors_load(path: Path) -> object:
    """`safetensors.torch.load_file`."""
    from safetensors.torch import load_file

    return load_file(path)


LOADERS: dict[str, Callable[[Path], object]] = {
    name: function
    for name, function in list(globals().items())
    if name.endswith(("_load", "_all", "_index")) or "_load_" in name
}
