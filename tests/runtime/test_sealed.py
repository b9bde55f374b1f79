"""Loads from copies that are sealed before they are judged."""

from __future__ import annotations

import fcntl
import gzip
import io
import os
import pathlib
import pickle

import joblib
import numpy as np
import pytest
import safetensors.torch
import torch

import weighlock.runtime
from tests.descriptors import open_files
from tests.runtime.hooks.test_safetensors_lazy import NAME, _change, _chunks, _save
from weighlock.errors import LoadRefused


@pytest.fixture
def sealed(bench):
    data = _save()
    torch.save({"w": torch.arange(5000.0)}, "model.pt")
    bench.policy('verify = "sealed"')
    bench.lock(NAME, format="safetensors", chunks=_chunks(data))
    bench.lock("model.pt")
    bench.guard()
    return data


def test_a_file_that_is_rewritten_after_it_was_judged_does_not_change_what_was_loaded(sealed):
    loaded = safetensors.torch.load_file(NAME)
    mapped = torch.load("model.pt", mmap=True)
    for name in (NAME, "model.pt"):
        size = os.path.getsize(name)
        with open(name, "r+b") as file:
            file.write(b"\xff" * size)
    assert loaded["d"].unique().tolist() == [3]
    assert torch.equal(mapped["w"], torch.arange(5000.0))


def test_without_seals_the_same_rewriting_does_change_it(bench):
    data = _save()
    bench.lock(NAME, format="safetensors", chunks=_chunks(data))
    bench.guard()
    loaded = safetensors.torch.load_file(NAME)
    with open(NAME, "r+b") as file:
        file.write(b"\xff" * len(data))
    assert loaded["d"].unique().tolist() != [3]


def test_a_sealed_copy_is_of_other_bytes_than_were_locked(sealed):
    _change(len(sealed) - 1)
    with pytest.raises(LoadRefused, match="not in the lockfile"):
        safetensors.torch.load_file(NAME)


def test_the_copy_cannot_be_written_to(sealed):
    from weighlock.runtime import _sealed

    with open(NAME, "rb") as file:
        copy = _sealed.sealed_copy(file.fileno(), NAME)
    assert os.pread(copy, len(sealed), 0) == sealed
    assert fcntl.fcntl(copy, fcntl.F_GET_SEALS) & fcntl.F_SEAL_WRITE
    for attempt in (
        lambda: os.pwrite(copy, b"x", 0),
        lambda: os.ftruncate(copy, 0),
        lambda: np.memmap(f"/proc/self/fd/{copy}", mode="r+"),
    ):
        with pytest.raises(PermissionError):
            attempt()
    os.close(copy)


def test_a_system_without_seals_refuses_instead_of_going_without(sealed, monkeypatch):
    monkeypatch.delattr(os, "memfd_create")
    with pytest.raises(LoadRefused, match="cannot seal memory"):
        safetensors.torch.load_file(NAME)


def test_no_room_for_a_copy_is_a_refusal(sealed, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "sendfile", full)
    with pytest.raises(LoadRefused, match="cannot be copied into memory: No space left"):
        torch.load("model.pt")


def test_no_descriptor_is_left_open(sealed):
    pathlib.Path("evil.pt").write_bytes(b"evil")
    before = open_files()
    for _ in range(5):
        safetensors.torch.load_file(NAME)
        torch.load("model.pt")
        with pytest.raises(LoadRefused):
            torch.load("evil.pt")
    assert open_files() == before


def test_pickle_load_of_an_open_file_reads_from_the_copy(sealed, bench):
    data = b"".join(pickle.dumps({"n": list(range(n))}) for n in (30000, 3))
    pathlib.Path("rows.pkl").write_bytes(data)
    bench.lock("rows.pkl")
    weighlock.runtime.uninstall()
    bench.guard()
    with open("rows.pkl", "rb") as file:
        assert len(pickle.load(file)["n"]) == 30000
        file.seek(file.tell())
        with open("rows.pkl", "r+b") as other:
            other.write(b"\xff" * 10)
        with pytest.raises(LoadRefused, match="not in the lockfile"):
            pickle.load(file)


def test_numpy_and_joblib_load_by_name_from_the_copy(sealed, bench):
    np.save("objects.npy", np.array([{"a": 1}, None], dtype=object), allow_pickle=True)
    joblib.dump({"w": np.arange(5000)}, "model.joblib")
    for name in ("objects.npy", "model.joblib"):
        bench.lock(name)
    weighlock.runtime.uninstall()
    bench.guard()
    assert np.load("objects.npy", allow_pickle=True)[0] == {"a": 1}
    mapped = joblib.load("model.joblib", mmap_mode="r")["w"]
    loaded = joblib.load("model.joblib")["w"]
    with open("model.joblib", "r+b") as file:
        file.write(b"\xff" * os.path.getsize("model.joblib"))
    assert mapped.sum() == loaded.sum() == 5000 * 4999 // 2


@pytest.mark.parametrize(
    ("opener", "load"),
    [
        (open, lambda file: pickle.Unpickler(file).load()),
        (open, lambda file: pickle._Unpickler(file).load()),
        (open, joblib.load),
        (gzip.open, lambda file: pickle.load(file)),
    ],
    ids=["Unpickler", "_Unpickler", "joblib", "gzip"],
)
def test_what_cannot_be_pointed_at_a_copy_is_refused(sealed, bench, opener, load):
    for name, data in (("data.pkl", pickle.dumps([1])), ("data.pkl.gz", gzip.compress(pickle.dumps([1])))):
        pathlib.Path(name).write_bytes(data)
        bench.lock(name)
    weighlock.runtime.uninstall()
    bench.guard()
    name = "data.pkl.gz" if opener is gzip.open else "data.pkl"
    with opener(name, "rb") as file, pytest.raises(LoadRefused, match="cannot be pointed at a copy"):
        load(file)


def test_pickles_in_memory_need_no_copy(sealed):
    assert pickle.loads(pickle.dumps([1])) == [1]
    assert pickle.load(io.BytesIO(pickle.dumps([1]))) == [1]
