"""safetensors files whose tensors are verified when they are read, and copies that are sealed before they are."""

from __future__ import annotations

import hashlib
import os
import pathlib

import pytest
import safetensors
import safetensors.torch
import torch
from packaging.version import Version

from tests.descriptors import open_files
from weighlock.errors import LoadRefused
from weighlock.lockfile import Chunks

NAME = "model.safetensors"
CHUNK = 4096
ALL_AT_ONCE = pytest.mark.skipif(
    Version(safetensors.__version__) < Version("0.8"),
    reason="handles of safetensors before 0.8 read one tensor at a time",
)


def _chunks(data: bytes) -> Chunks:
    parts = [data[start : start + CHUNK] for start in range(0, len(data), CHUNK)]
    return Chunks(size=CHUNK, sha256=tuple(hashlib.sha256(part).hexdigest() for part in parts))


def _save() -> bytes:
    tensors = {name: torch.full((8 * CHUNK // 4,), float(number)) for number, name in enumerate("abcd")}
    safetensors.torch.save_file({**tensors, "empty": torch.zeros(0)}, NAME, metadata={"format": "pt"})
    return pathlib.Path(NAME).read_bytes()


@pytest.fixture
def lazy(bench):
    data = _save()
    bench.policy('verify = "lazy"')
    bench.lock(NAME, format="safetensors", chunks=_chunks(data))
    bench.guard()
    return data


def _change(offset: int) -> None:
    """Change a byte in place, and leave the times as they were."""
    status = os.stat(NAME)
    with open(NAME, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))
    os.utime(NAME, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_only_what_is_read_is_verified(lazy):
    _change(len(lazy) - 1)  # in the last tensor
    with safetensors.safe_open(NAME, framework="pt") as file:
        assert isinstance(file, safetensors.safe_open)
        assert sorted(file.keys()) == ["a", "b", "c", "d", "empty"]
        assert file.metadata() == {"format": "pt"}
        assert file.get_tensor("a")[0] == 0
        assert file.get_slice("b")[:2].tolist() == [1, 1]
        assert file.get_tensor("empty").shape == (0,)
        with pytest.raises(LoadRefused, match="the bytes of d do not have the locked digest"):
            file.get_tensor("d")
        with pytest.raises(LoadRefused, match="the bytes of d do not have the locked digest"):
            file.get_slice("d")


@pytest.mark.parametrize(
    "load",
    [
        safetensors.torch.load_file,
        pytest.param(lambda name: safetensors.safe_open(name, "np").get_tensors(), marks=ALL_AT_ONCE),
    ],
)
def test_a_whole_file_with_one_bad_byte_is_refused(lazy, load):
    assert len(load(NAME)) == 5
    _change(len(lazy) - 1)
    with pytest.raises(LoadRefused, match="digest"):
        load(NAME)


@pytest.mark.parametrize("offset", [0, 8, 40, CHUNK - 1])
def test_a_header_that_was_changed_is_judged_as_the_other_file_that_it_is(lazy, offset):
    _change(offset)
    with pytest.raises(LoadRefused, match="not in the lockfile"):
        safetensors.safe_open(NAME, framework="pt")


def test_a_file_that_is_changed_between_two_tensors_is_refused(lazy):
    with safetensors.safe_open(NAME, framework="pt") as file:
        file.get_tensor("a")
        _change(len(lazy) - 1)
        with pytest.raises(LoadRefused, match="changed while it was being loaded"):
            file.get_tensor("a")


def test_a_file_that_is_exchanged_by_name_is_read_as_the_one_that_was_opened(lazy):
    with safetensors.safe_open(NAME, framework="pt") as file:
        other = bytearray(lazy)
        other[-1] ^= 1
        pathlib.Path("other").write_bytes(other)
        os.rename("other", NAME)
        with pytest.raises(LoadRefused, match="changed"):  # removing its name changed its stamps
            file.get_tensor("d")


def test_a_file_that_becomes_shorter_is_refused(lazy):
    with safetensors.safe_open(NAME, framework="np") as file:
        os.truncate(NAME, len(lazy) - CHUNK)
        with pytest.raises(LoadRefused, match=r"digest|changed"):
            file.get_tensor("d")


def test_a_tensor_of_that_name_does_not_exist(lazy):
    with safetensors.safe_open(NAME, framework="pt") as file, pytest.raises(safetensors.SafetensorError):
        file.get_tensor("nothing")


@ALL_AT_ONCE
def test_what_a_later_version_may_read_with_is_verified_as_a_whole(lazy):
    _change(len(lazy) - 1)
    file = safetensors.safe_open(NAME, framework="pt")
    with pytest.raises(LoadRefused, match="the file does not have the locked digest"):
        file.get_tensors()


def test_of_locked_files_that_begin_alike_each_is_the_one_that_it_is(bench):
    data = _save()
    bench.policy('verify = "lazy"')
    for number in range(4):
        content = data[:-4] + bytes([number, 0, 0, 0])
        pathlib.Path(f"{number}.safetensors").write_bytes(content)
        bench.lock(f"{number}.safetensors", format="safetensors", chunks=_chunks(content))
    pathlib.Path(NAME).write_bytes(data[:-4] + bytes([7, 0, 0, 0]))
    bench.guard()
    for number in range(4):
        with safetensors.safe_open(f"{number}.safetensors", framework="np") as file:
            assert file.get_tensor("d")[-1:].tobytes() == bytes([number, 0, 0, 0])
    with pytest.raises(LoadRefused, match="not in the lockfile"):
        safetensors.safe_open(NAME, framework="np")


def test_an_unlocked_file_gets_nothing_from_being_lazy(lazy):
    safetensors.torch.save_file({"w": torch.ones(9)}, "evil.safetensors")
    with pytest.raises(LoadRefused, match="not in the lockfile"):
        safetensors.safe_open("evil.safetensors", framework="pt")


def test_a_pickle_that_was_locked_with_chunks_is_verified_whole(bench):
    torch.save({"w": torch.zeros(4 * CHUNK)}, "model.pt")
    data = pathlib.Path("model.pt").read_bytes()
    bench.policy('verify = "lazy"')
    bench.lock("model.pt", chunks=_chunks(data), format="torch-zip")
    bench.guard()
    assert torch.load("model.pt")["w"].sum() == 0
    pathlib.Path("model.pt").write_bytes(data[:-3000] + bytes([data[-3000] ^ 1]) + data[-2999:])
    with pytest.raises(LoadRefused):
        torch.load("model.pt")


def test_a_lazy_handle_that_nobody_closed_holds_no_descriptor(lazy):
    before = open_files()
    for _ in range(5):
        safetensors.safe_open(NAME, framework="pt").get_tensor("a")
    assert open_files() == before
