"""Which files of a model are locked."""

from __future__ import annotations

from typing import Any

import pytest

from weighlock.errors import UsageError
from weighlock.gates.selection import select
from weighlock.sources.interface import Offer

pytestmark = pytest.mark.hub


def test_safetensors_are_preferred_and_what_is_left_out_is_said(bench: Any, weights: dict[str, bytes]) -> None:
    files = {"model.safetensors": weights["safetensors"], "pytorch_model.bin": weights["data"], "tf_model.h5": b"x",
             "training_args.bin": weights["data"]}  # fmt: skip
    bench.hub.add_repo("org/a", files)
    done = bench.run("lock", "org/a")
    assert done.returncode == 0, done.stderr
    assert "left out  org/a: pytorch_model.bin, covered by safetensors" in done.stdout
    assert [file.path for file in bench.lockfile.by_name("org/a").files] == ["model.safetensors", "training_args.bin"]
    bench.lock("org/a", all_formats=True)
    assert len(bench.lockfile.by_name("org/a").files) == 4


@pytest.mark.parametrize(
    ("paths", "locked"),
    [
        (["model.safetensors", "pytorch_model.bin"], ["model.safetensors"]),
        (["model-00001-of-00002.safetensors", "pytorch_model-00001-of-00003.bin", "pytorch_model.bin.index.json",
          "model.safetensors.index.json"], ["model-00001-of-00002.safetensors", "model.safetensors.index.json"]),
        (["model.safetensors", "pytorch_model.fp16.bin"], ["model.safetensors", "pytorch_model.fp16.bin"]),
        (["model.fp16.safetensors", "pytorch_model.fp16.bin"], ["model.fp16.safetensors"]),
        (["model.safetensors", "2_Dense/pytorch_model.bin"], ["model.safetensors", "2_Dense/pytorch_model.bin"]),
        (["unet/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.bin"],
         ["unet/diffusion_pytorch_model.safetensors"]),
        (["adapter_model.safetensors", "adapter_model.bin"], ["adapter_model.safetensors"]),
        (["model.safetensors", "onnx/model.onnx", "openvino/a.xml", "flax_model.msgpack", "rust_model.ot",
          "x.mlpackage/Data/w", "model.tflite"], ["model.safetensors"]),
        (["pytorch_model.bin", "tf_model.h5", "model.onnx"], ["pytorch_model.bin", "tf_model.h5", "model.onnx"]),
        (["model.safetensors", "modeling.py", "vocab.txt", "optimizer.bin"],
         ["model.safetensors", "modeling.py", "vocab.txt", "optimizer.bin"]),
    ],
)  # fmt: skip
def test_selection(paths: list[str], locked: list[str]) -> None:
    assert [offer.path for offer in select([Offer(path=path) for path in paths]).files] == locked


def test_patterns() -> None:
    offers = [Offer(path=path) for path in ("a.safetensors", "a.bin", "sub/b.bin", "c.txt")]
    assert [offer.path for offer in select(offers, ["*.bin"]).files] == ["a.bin", "sub/b.bin"]
    assert [offer.path for offer in select(offers, ["sub/"]).files] == ["sub/b.bin"]
    assert [offer.path for offer in select(offers, (), ["*.bin", "*.txt"]).files] == ["a.safetensors"]
    with pytest.raises(UsageError, match=r"\*\.onnx: matches no file"):
        select(offers, ["*.bin", "*.onnx"])
    with pytest.raises(UsageError, match="no file is left"):
        select(offers, (), ["*"])


def test_an_empty_source_is_not_blamed_on_patterns():
    with pytest.raises(UsageError, match="there is no file to lock"):
        select([])
