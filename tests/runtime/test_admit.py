"""What is left behind by a load that ended badly: nothing that would admit, or hold back, the next one."""

from __future__ import annotations

import gzip
import io
import pickle
from pathlib import Path

import joblib
import numpy as np
import pytest
import safetensors.torch
import torch

from tests.descriptors import open_files
from weighlock.runtime import _loads, _pending


def _interrupted(*_):
    raise KeyboardInterrupt


def _opened(load, path, opener=open):
    with opener(path, "rb") as file:
        return load(file)


def _while_loading(do):
    return torch.load("good.pt", map_location=lambda *_: do())


ATTEMPTS = {
    "torch, by name": lambda _: torch.load("evil.pt", weights_only=False),
    "torch, an open file": lambda _: _opened(torch.load, "evil.pt"),
    "torch, in memory": lambda evil: torch.load(io.BytesIO(evil), weights_only=False),
    "torch, a broken archive that is locked": lambda _: torch.load("torn.pt"),
    "torch, an interrupt": lambda _: torch.load("good.pt", map_location=_interrupted),
    "torch in torch": lambda _: _while_loading(lambda: torch.load("evil.pt", weights_only=False)),
    "torch in torch, in memory": lambda evil: _while_loading(lambda: torch.load(io.BytesIO(evil), weights_only=False)),
    "pickle in torch": lambda evil: _while_loading(lambda: pickle.loads(evil)),
    "pickle, an open file": lambda _: _opened(pickle.load, "evil.pt"),
    "pickle, in memory": lambda evil: pickle.loads(evil),
    "pickle, unpacked": lambda _: _opened(pickle.load, "evil.gz", gzip.open),
    "an unpickler": lambda _: _opened(lambda file: pickle.Unpickler(file).load(), "evil.pt"),
    "an unpickler in Python": lambda _: _opened(lambda file: pickle._Unpickler(file).load(), "evil.pt"),
    "joblib": lambda _: joblib.load("evil.pt"),
    "numpy": lambda _: np.load("evil.pt", allow_pickle=True),
    "safetensors": lambda _: safetensors.torch.load_file("evil.pt"),
    "safetensors, in memory": lambda evil: safetensors.torch.load(evil),
    "no file": lambda _: torch.load("none.pt"),
    "a folder": lambda _: torch.load("."),
}


@pytest.mark.parametrize("policy", ["", 'verify = "sealed"\n', 'verify = "lazy"\n', 'unlocked = "inspect"\n'])
def test_after_each_refusal_and_error_nothing_is_admitted_and_no_file_is_open(bench, policy):
    bench.policy(policy)
    torch.save({"w": torch.ones(4)}, "good.pt")
    Path("evil.pt").write_bytes(bench.payload)
    Path("evil.gz").write_bytes(gzip.compress(bench.payload))
    Path("torn.pt").write_bytes(Path("good.pt").read_bytes()[:300])
    bench.lock("good.pt")
    bench.lock("torn.pt")
    bench.guard()
    opened = open_files()
    for attempt in ATTEMPTS.values():
        with pytest.raises(BaseException):  # noqa: B017, PT011 - each in its own way
            attempt(bench.payload)
        assert (_loads.stack(), _loads.scope(), _pending.pending()) == ([], None, None)
        assert not bench.marker.exists()
    assert open_files() == opened
