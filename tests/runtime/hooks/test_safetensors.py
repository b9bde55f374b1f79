"""safetensors under the guard, in every way that the package reads files and bytes."""

from __future__ import annotations

import os
import pathlib

import numpy as np
import pytest
import safetensors
import safetensors.numpy
import safetensors.torch
import torch
from packaging.version import Version
from safetensors import safe_open as early_safe_open
from safetensors.torch import load_file as early_load_file

import weighlock.runtime
from weighlock.errors import LoadRefused

HANDLES = pytest.mark.skipif(
    Version(safetensors.__version__) < Version("0.6.2"), reason="safetensors before 0.6.2 opens paths only"
)


@pytest.fixture
def model(bench):
    safetensors.torch.save_file({"w": torch.zeros(4)}, "model.safetensors", metadata={"format": "pt"})
    safetensors.torch.save_file({"w": torch.ones(4)}, "evil.safetensors", metadata={"format": "pt"})
    bench.lock("model.safetensors", format="safetensors")
    bench.guard()
    return bench


def _read(opener, name):
    with opener(name, framework="pt", device="cpu") as file:
        return file.get_tensor("w")


WAYS = {
    "load_file": lambda name: safetensors.torch.load_file(name)["w"],
    "load_file of a Path": lambda name: safetensors.torch.load_file(pathlib.Path(name))["w"],
    "load_file bound early": lambda name: early_load_file(name)["w"],
    "load": lambda name: safetensors.torch.load(pathlib.Path(name).read_bytes())["w"],
    "safe_open": lambda name: _read(safetensors.safe_open, name),
    "safe_open bound early": lambda name: _read(early_safe_open_now(), name),
    "safe_open of the extension": lambda name: _read(safetensors._safetensors_rust.safe_open, name),
    "numpy": lambda name: torch.from_numpy(safetensors.numpy.load_file(name)["w"]),
    "numpy bytes": lambda name: torch.from_numpy(safetensors.numpy.load(pathlib.Path(name).read_bytes())["w"]),
    "handle": lambda name: _read_handle(name),
    "load_model": lambda name: _load_model(name),
}
ALL = pytest.mark.parametrize("way", [pytest.param(way, marks=HANDLES if way == "handle" else ()) for way in WAYS])


def early_safe_open_now():
    """The name that this module bound before the guard started, and that the guard has replaced."""
    return early_safe_open


def _read_handle(name):
    with open(name, "rb") as file, safetensors._safe_open_handle(file, framework="pt") as opened:
        return opened.get_tensor("w")


def _load_model(name):
    model = torch.nn.Module()
    model.w = torch.nn.Parameter(torch.full((4,), 7.0))
    safetensors.torch.load_model(model, name)
    return model.w.data


@ALL
def test_a_locked_file_loads(model, way):
    assert torch.equal(WAYS[way]("model.safetensors"), torch.zeros(4))


@ALL
def test_an_unlisted_file_is_refused(model, way):
    with pytest.raises(LoadRefused, match="not in the lockfile"):
        WAYS[way]("evil.safetensors")


@ALL
def test_a_locked_name_with_other_bytes_is_refused(model, way):
    os.replace("evil.safetensors", "model.safetensors")
    with pytest.raises(LoadRefused):
        WAYS[way]("model.safetensors")


def test_a_link_swapped_after_the_file_was_judged_does_not_matter(model, monkeypatch):
    os.symlink("model.safetensors", "link.safetensors")
    from weighlock.runtime import _admit

    original = _admit.admit_path

    def swap(*args):
        loading = original(*args)
        os.unlink("link.safetensors")
        os.symlink("evil.safetensors", "link.safetensors")
        return loading

    monkeypatch.setattr(_admit, "admit_path", swap)
    assert torch.equal(safetensors.torch.load_file("link.safetensors")["w"], torch.zeros(4))
    assert os.readlink("link.safetensors") == "evil.safetensors"


def test_bytes_that_change_after_they_were_judged_are_not_loaded(model):
    data = bytearray(pathlib.Path("model.safetensors").read_bytes())
    loaded = safetensors.deserialize(data)
    data[-4:] = b"evil"
    assert bytes(loaded[0][1]["data"]) == bytes(16)


def test_the_type_keeps_its_looks(model):
    opened = safetensors.safe_open("model.safetensors", framework="np")
    assert isinstance(opened, safetensors.safe_open)
    assert not isinstance(3, safetensors.safe_open)
    assert safetensors.safe_open.__name__ == "safe_open"
    assert safetensors.safe_open.__doc__
    assert opened.keys() == ["w"]
    assert np.array_equal(opened.get_slice("w")[:2], np.zeros(2))


def test_errors_are_those_of_safetensors(model):
    with pytest.raises(FileNotFoundError):
        safetensors.torch.load_file("missing.safetensors")
    with pytest.raises(TypeError):
        safetensors.safe_open()
    with pytest.raises(TypeError):
        safetensors.safe_open(3, framework="pt")


def test_a_broken_file_that_is_locked_fails_as_ever(bench):
    pathlib.Path("broken.safetensors").write_bytes(b"\xff" * 64)
    bench.lock("broken.safetensors")
    bench.guard()
    with pytest.raises(safetensors.SafetensorError):
        safetensors.torch.load_file("broken.safetensors")


@HANDLES
def test_a_handle_that_is_no_plain_file_is_refused(model):
    import io

    with pytest.raises(LoadRefused):
        safetensors._safe_open_handle(io.BytesIO(pathlib.Path("model.safetensors").read_bytes()), framework="pt")


def test_taking_the_guard_away_restores_every_name(bench):
    before = (safetensors.safe_open, safetensors.deserialize, safetensors.torch.safe_open, early_safe_open_now())
    bench.guard()
    assert safetensors.safe_open is not before[0]
    weighlock.runtime.uninstall()
    after = (safetensors.safe_open, safetensors.deserialize, safetensors.torch.safe_open, early_safe_open_now())
    assert after == before
