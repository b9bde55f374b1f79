"""Python's unpicklers, and the libraries that only pass a file to them."""

from __future__ import annotations

import gzip
import importlib
import io
import marshal
import pickle
import shelve
import zipfile
from pathlib import Path

from tests.loaders.row import Payload, Row

FILE = "payload.pkl"


def _write(marker: str, folder: Path) -> None:
    (folder / FILE).write_bytes(pickle.dumps(Payload(marker)))


def _write_gzip(marker: str, folder: Path) -> None:
    with gzip.open(folder / FILE, "wb") as file:
        pickle.dump(Payload(marker), file)


def _write_zip(marker: str, folder: Path) -> None:
    with zipfile.ZipFile(folder / FILE, "w") as archive:
        archive.writestr("member.pkl", pickle.dumps(Payload(marker)))


def _write_shelf(marker: str, folder: Path) -> None:
    with shelve.open(str(folder / "shelf")) as shelf:
        shelf.dict[b"key"] = pickle.dumps(Payload(marker))


def _write_marshalled(marker: str, folder: Path) -> None:
    """Write code of the file's own: `marshal` makes it, a function holds it, and the pickle calls that."""
    code = marshal.dumps(compile(f"import os; os.mkdir({marker!r})", "payload", "exec"))
    constant = pickle.BINBYTES + len(code).to_bytes(4, "little") + code
    load = b"cmarshal\nloads\n" + constant + pickle.TUPLE1 + pickle.REDUCE
    function = b"ctypes\nFunctionType\n" + pickle.MARK + load + pickle.EMPTY_DICT + pickle.TUPLE + pickle.REDUCE
    (folder / FILE).write_bytes(pickle.PROTO + b"\x03" + function + pickle.EMPTY_TUPLE + pickle.REDUCE + pickle.STOP)


def _from_file(load):
    def call(folder: Path) -> object:
        with (folder / FILE).open("rb") as file:
            return load(file)

    return call


def _pickle_load():
    from pickle import load

    return _from_file(lambda file: load(file))


def _c_load():
    from _pickle import load

    return _from_file(lambda file: load(file))


def _loads():
    from pickle import loads

    return lambda folder: loads((folder / FILE).read_bytes())


def _unpickler():
    from pickle import Unpickler

    return _from_file(lambda file: Unpickler(file).load())


def _unpickler_memory():
    from pickle import Unpickler

    return lambda folder: Unpickler(io.BytesIO((folder / FILE).read_bytes())).load()


def _python_unpickler():
    from pickle import _Unpickler as Unpickler

    return _from_file(lambda file: Unpickler(file).load())


def _overridden(name: str, *, in_memory: bool = False):
    def bind():
        base = getattr(pickle, name)

        class Own(base):
            def find_class(self, module: str, name: str) -> object:
                return getattr(importlib.import_module(module), name)

        if in_memory:
            return lambda folder: Own(io.BytesIO((folder / FILE).read_bytes())).load()
        return _from_file(lambda file: Own(file).load())

    return bind


def _through(module: str, name: str, *, in_memory: bool = False):
    def bind():
        load = getattr(importlib.import_module(module), name)
        if in_memory:
            return lambda folder: load((folder / FILE).read_bytes())
        return _from_file(load)

    return bind


def _shelf():
    import shelve

    def call(folder: Path) -> object:
        with shelve.open(str(folder / "shelf")) as shelf:
            return shelf["key"]

    return call


def _gzip():
    from pickle import load

    def call(folder: Path) -> object:
        with gzip.open(folder / FILE, "rb") as file:
            return load(file)

    return call


def _zip():
    from pickle import load

    def call(folder: Path) -> object:
        with zipfile.ZipFile(folder / FILE) as archive, archive.open("member.pkl") as file:
            return load(file)

    return call


def _row(name: str, bind, write=_write) -> Row:
    return Row(name=name, hook="pickle", write=write, bind=bind)


ROWS = (
    _row("pickle.load", _pickle_load),
    _row("_pickle.load", _c_load),
    _row("pickle.loads", _loads),
    _row("pickle.Unpickler", _unpickler),
    _row("pickle.Unpickler, in memory", _unpickler_memory),
    _row("pickle._Unpickler", _python_unpickler),
    _row("find_class overridden", _overridden("Unpickler")),
    _row("find_class overridden, in memory", _overridden("Unpickler", in_memory=True)),
    _row("find_class overridden, pure Python", _overridden("_Unpickler")),
    _row("pickle in gzip", _gzip, _write_gzip),
    _row("pickle in zip", _zip, _write_zip),
    _row("marshal inside a pickle", _pickle_load, _write_marshalled),
    _row("shelve", _shelf, _write_shelf),
    _row("dill.load", _through("dill", "load")),
    _row("dill.loads", _through("dill", "loads", in_memory=True)),
    _row("cloudpickle.load", _through("cloudpickle", "load")),
    _row("cloudpickle.loads", _through("cloudpickle", "loads", in_memory=True)),
)
