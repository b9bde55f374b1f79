"""`pickle.load` and everything that calls it, where a real file is being read."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import pathlib
import pickle
import shelve
import sys
import tempfile
import zipfile

import cloudpickle
import dill
import numpy as np
import pandas as pd
import pytest

from weighlock.errors import LoadRefused

early_load, early_loads, EarlyUnpickler = pickle.load, pickle.loads, pickle.Unpickler

MKDIR = {"outcome": "needs-approval", "imports": ("posix.mkdir",), "needs": ("posix.mkdir",)}


def _open_and(load, name, opener=open):
    with opener(name, "rb") as file:
        return load(file)


FILE_WAYS = {
    "pickle.load": lambda name: _open_and(pickle.load, name),
    "pickle.load bound early": lambda name: _open_and(globals()["early_load"], name),
    "by keyword": lambda name: _open_and(lambda file: pickle.load(file=file), name),
    "_pickle.load": lambda name: _open_and(__import__("_pickle").load, name),
    "unbuffered": lambda name: _open_and(pickle.load, name, lambda path, mode: open(path, mode, buffering=0)),  # noqa: SIM115
    "update mode": lambda name: _open_and(pickle.load, name, lambda path, _: open(path, "r+b")),  # noqa: SIM115
    "options": lambda name: _open_and(lambda file: pickle.load(file, encoding="latin1", fix_imports=True), name),
    "pure Python": lambda name: _open_and(lambda file: pickle._Unpickler(file).load(), name),
    "pure Python load": lambda name: _open_and(pickle._load, name),
    "cloudpickle.load": lambda name: _open_and(cloudpickle.load, name),
    "pandas.read_pickle": lambda name: pd.read_pickle(name, compression=None),
    "numpy.load": lambda name: np.load(name, allow_pickle=True),
}

MEMORY_WAYS = {
    "pickle.loads": lambda data: pickle.loads(data),
    "pickle.loads bound early": lambda data: early_loads(data),
    "pickle._loads": lambda data: pickle._loads(data),
    "Unpickler": lambda data: pickle.Unpickler(io.BytesIO(data)).load(),
    "Unpickler bound early": lambda data: EarlyUnpickler(io.BytesIO(data)).load(),
    "pickle.load of a BytesIO": lambda data: pickle.load(io.BytesIO(data)),
    "dill.loads": lambda data: dill.loads(data),
    "cloudpickle.loads": lambda data: cloudpickle.loads(data),
    "subclass": lambda data: type("Sub", (pickle.Unpickler,), {})(io.BytesIO(data)).load(),
    "subclass that calls super": lambda data: _Calling(io.BytesIO(data)).load(),
}

OPENERS = {"gzip": gzip.open, "bz2": bz2.open, "lzma": lzma.open}


class _Calling(pickle.Unpickler):
    def find_class(self, module, name):
        return super().find_class(module, name)


@pytest.mark.parametrize("way", FILE_WAYS)
def test_a_locked_file_of_data_loads(bench, way):
    pathlib.Path("data.pkl").write_bytes(pickle.dumps({"a": 1}))
    bench.lock("data.pkl", outcome="data-only")
    bench.guard()
    assert FILE_WAYS[way]("data.pkl") == {"a": 1}


@pytest.mark.parametrize("way", FILE_WAYS)
def test_an_unlisted_file_is_refused_even_when_it_holds_only_data(bench, way):
    pathlib.Path("data.pkl").write_bytes(pickle.dumps({"a": 1}))
    bench.guard()
    with pytest.raises(LoadRefused, match=r"data\.pkl\n  digest: sha256:"):
        FILE_WAYS[way]("data.pkl")


@pytest.mark.parametrize("way", FILE_WAYS)
def test_an_unlisted_payload_is_refused_before_it_runs(bench, way):
    pathlib.Path("evil.pkl").write_bytes(bench.payload)
    bench.guard()
    with pytest.raises(LoadRefused):
        FILE_WAYS[way]("evil.pkl")
    assert not bench.marker.exists()


@pytest.mark.parametrize("way", FILE_WAYS)
def test_an_approved_file_loads_and_may_do_what_was_approved(bench, way):
    pathlib.Path("odd.pkl").write_bytes(bench.payload)
    bench.lock("odd.pkl", **MKDIR, approved=("posix.mkdir",))
    bench.guard()
    FILE_WAYS[way]("odd.pkl")
    assert bench.marker.exists()


@pytest.mark.parametrize("way", FILE_WAYS)
def test_approval_of_one_name_does_not_cover_another(bench, way):
    pathlib.Path("odd.pkl").write_bytes(bench.payload)
    bench.lock("odd.pkl", outcome="needs-approval", imports=("os.mkdir",), needs=("os.mkdir",), approved=("os.mkdir",))
    bench.guard()
    with pytest.raises(LoadRefused, match=r"posix\.mkdir"):
        FILE_WAYS[way]("odd.pkl")
    assert not bench.marker.exists()


@pytest.mark.parametrize("way", FILE_WAYS)
def test_a_file_accepted_whatever_it_does_loads(bench, way):
    pathlib.Path("odd.pkl").write_bytes(bench.payload)
    bench.lock("odd.pkl", outcome="refused", imports=("posix.mkdir",), unsafe=True, reason="read it")
    bench.guard()
    FILE_WAYS[way]("odd.pkl")
    assert bench.marker.exists()


@pytest.mark.parametrize("codec", OPENERS)
def test_the_digest_of_a_compressed_file_is_that_of_the_file_on_disk(bench, codec):
    with OPENERS[codec]("odd.z", "wb") as file:
        file.write(bench.payload)
    bench.lock("odd.z", **MKDIR, approved=("posix.mkdir",))
    bench.guard()
    _open_and(pickle.load, "odd.z", OPENERS[codec])
    assert bench.marker.exists()


@pytest.mark.parametrize("codec", OPENERS)
def test_an_unlisted_compressed_file_is_refused(bench, codec):
    with OPENERS[codec]("odd.z", "wb") as file:
        file.write(bench.payload)
    bench.guard()
    with pytest.raises(LoadRefused):
        _open_and(pickle.load, "odd.z", OPENERS[codec])
    assert not bench.marker.exists()


def test_a_zip_member_belongs_to_the_zip(bench):
    with zipfile.ZipFile("odd.zip", "w") as archive:
        archive.writestr("a.pkl", pickle.dumps([1]))
    bench.guard()
    with zipfile.ZipFile("odd.zip") as archive, archive.open("a.pkl") as member, pytest.raises(LoadRefused):
        pickle.load(member)


def test_object_arrays_of_a_locked_npy_and_npz_load(bench):
    np.save("a.npy", np.array([{"k": 1}], dtype=object), allow_pickle=True)
    np.savez("a.npz", x=np.array([{"k": 1}], dtype=object))
    names = ("numpy.dtype", "numpy.ndarray", "numpy._core.multiarray._reconstruct")
    bench.lock("a.npy", outcome="data-only", imports=names)
    bench.lock("a.npz", outcome="data-only", imports=names)
    bench.guard()
    assert np.load("a.npy", allow_pickle=True)[0] == {"k": 1}
    with np.load("a.npz", allow_pickle=True) as archive:
        assert archive["x"][0] == {"k": 1}


def test_object_arrays_of_an_unlisted_npy_and_npz_are_refused_and_plain_ones_are_not(bench):
    np.save("a.npy", np.array([{"k": 1}], dtype=object), allow_pickle=True)
    np.savez("a.npz", x=np.array([{"k": 1}], dtype=object))
    np.save("plain.npy", np.arange(3))
    bench.guard()
    with pytest.raises(LoadRefused):
        np.load("a.npy", allow_pickle=True)
    with np.load("a.npz", allow_pickle=True) as archive, pytest.raises(LoadRefused):
        archive["x"]
    assert np.load("plain.npy", allow_pickle=True).sum() == 3


def test_pandas_falls_back_to_its_own_unpickler_under_the_same_admission(bench):
    with pd.option_context("mode.string_storage", "python"):
        pd.to_pickle(pd.DataFrame({"a": [1, 2]}), "frame.pkl")
    bench.lock("frame.pkl")
    bench.guard()
    assert pd.read_pickle("frame.pkl")["a"].sum() == 3


@pytest.mark.parametrize("way", MEMORY_WAYS)
def test_data_in_memory_keeps_working(bench, way):
    import datetime

    value = {"a": [1, 2.5, None], "b": datetime.date(2026, 1, 2), "c": {1, 2}}
    bench.guard()
    assert MEMORY_WAYS[way](pickle.dumps(value)) == value


@pytest.mark.parametrize("way", MEMORY_WAYS)
def test_a_payload_in_memory_is_refused_before_it_runs(bench, way):
    payload = bench.payload
    bench.guard()
    with pytest.raises(LoadRefused, match=r"posix\.mkdir"):
        MEMORY_WAYS[way](payload)
    assert not bench.marker.exists()


def test_a_payload_in_a_shelf_is_refused_and_data_is_not(bench):
    with shelve.open("shelf") as shelf:
        shelf["data"] = {"a": 1}
        shelf["evil"] = pickle.loads(pickle.dumps({"a": 1}))
        shelf.dict[b"evil"] = bench.payload
    bench.guard()
    with shelve.open("shelf") as shelf:
        assert shelf["data"] == {"a": 1}
        with pytest.raises(LoadRefused):
            shelf["evil"]
    assert not bench.marker.exists()


def test_a_refusal_inside_except_exception_is_not_swallowed(bench):
    pathlib.Path("evil.pkl").write_bytes(bench.payload)
    bench.guard()
    with pytest.raises(LoadRefused):
        pd.read_pickle("evil.pkl")


def test_a_temporary_file_without_a_name_counts_as_memory(bench):
    bench.guard()
    with tempfile.TemporaryFile() as file:
        pickle.dump({"a": 1}, file)
        file.seek(0)
        assert pickle.load(file) == {"a": 1}
        file.seek(0)
        file.write(bench.payload)
        file.seek(0)
        with pytest.raises(LoadRefused):
            pickle.load(file)
    assert not bench.marker.exists()


def test_several_pickles_in_a_row_load_one_by_one(bench):
    pathlib.Path("row.pkl").write_bytes(pickle.dumps(1) + pickle.dumps(2))
    bench.lock("row.pkl", outcome="data-only")
    bench.guard()
    with open("row.pkl", "rb") as file:
        assert (pickle.load(file), pickle.load(file)) == (1, 2)


def test_taking_the_guard_away_restores_every_name(bench):
    import weighlock.runtime

    before = (pickle.load, globals()["early_load"], pickle._Unpickler.load, cloudpickle.load)
    bench.guard()
    weighlock.runtime.uninstall()
    assert (pickle.load, globals()["early_load"], pickle._Unpickler.load, cloudpickle.load) == before


def test_a_grammar_that_came_with_the_interpreter_needs_no_lock_entry(bench):
    done = bench.run(
        """
        import sys
        import warnings

        warnings.simplefilter("ignore")
        if sys.version_info < (3, 13):
            import lib2to3.pygram
        print("IMPORTED")
    """,
        *(sys.executable, "-m", "weighlock", "run", "script.py"),
        WEIGHLOCK_LOCK=str(bench.write_lock()),
    )
    assert done.stdout == "IMPORTED\n", done.stderr


def test_a_file_that_is_called_like_one_of_the_interpreter_is_an_artifact(bench, monkeypatch):
    """The name that a file object bears can be any; it has to lead to that very file."""
    pathlib.Path("evil.pkl").write_bytes(pickle.dumps({"a": 1}))
    bench.guard()
    with open("evil.pkl", "rb") as file:
        file.raw.name = os.__file__
        with pytest.raises(LoadRefused, match="not in the lockfile"):
            pickle.load(file)
