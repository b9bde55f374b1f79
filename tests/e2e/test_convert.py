"""`weighlock convert` of what real libraries save, loaded again by these libraries."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.formats.checkpoints import raw
from weighlock._cli import main

pytestmark = pytest.mark.e2e


def converted(*words):
    assert main(["convert", *map(str, words), "--output", os.devnull]) == 0


def same(loaded, expected):
    for name, value in expected.items():
        assert loaded[name].dtype == value.dtype, name
        assert raw(loaded[name]) == raw(value), name


@pytest.fixture(scope="module")
def transformers():
    library = pytest.importorskip("transformers")
    library.logging.set_verbosity_error()
    return library


def small(transformers, kind):
    if kind == "gpt2":
        return transformers.GPT2Config(n_layer=2, n_head=2, n_embd=16, vocab_size=50, n_positions=32)
    return transformers.LlamaConfig(
        num_hidden_layers=2, hidden_size=16, intermediate_size=32, num_attention_heads=2, vocab_size=50,
        tie_word_embeddings=kind == "tied llama",
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["gpt2", "llama", "tied llama"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("new", [True, False])
def test_a_model_of_transformers(tmp_path, transformers, kind, dtype, new):
    model = transformers.AutoModelForCausalLM.from_config(small(transformers, kind)).to(dtype)
    model.config.save_pretrained(tmp_path)
    state = model.state_dict()
    torch.save(state, tmp_path / "pytorch_model.bin", _use_new_zipfile_serialization=new)
    converted(tmp_path / "pytorch_model.bin")
    os.unlink(tmp_path / "pytorch_model.bin")
    loaded, info = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, dtype=dtype, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    same(loaded.state_dict(), state)


def test_shards_of_transformers(tmp_path, transformers):
    model = transformers.AutoModelForCausalLM.from_config(small(transformers, "llama"))
    model.config.save_pretrained(tmp_path)
    state = model.state_dict()
    names, weights = sorted(state), {}
    for number, part in enumerate((names[::2], names[1::2]), 1):
        file = f"pytorch_model-{number:05}-of-00002.bin"
        torch.save({name: state[name] for name in part}, tmp_path / file)
        weights |= dict.fromkeys(part, file)
    index = tmp_path / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": weights}))
    converted(index)
    for path in tmp_path.glob("pytorch_model*"):
        path.unlink()
    same(transformers.AutoModelForCausalLM.from_pretrained(tmp_path).state_dict(), state)


def test_a_model_of_diffusers(tmp_path):
    diffusers = pytest.importorskip("diffusers")
    model = diffusers.UNet2DModel(
        sample_size=8, block_out_channels=(8, 8), norm_num_groups=2, layers_per_block=1,
        down_block_types=("DownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "UpBlock2D"),
    ).to(memory_format=torch.channels_last)  # fmt: skip
    model.save_pretrained(tmp_path, safe_serialization=False)
    (weights,) = tmp_path.glob("*.bin")
    converted(weights)
    expected = torch.load(weights, weights_only=True)
    weights.unlink()
    assert [path.name for path in tmp_path.glob("*.safetensors")] == ["diffusion_pytorch_model.safetensors"]
    same(diffusers.UNet2DModel.from_pretrained(tmp_path).state_dict(), expected)


def test_a_checkpoint_of_training(tmp_path):
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2))
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.randn(5, 3)).sum().backward()
    optimizer.step()
    path = tmp_path / "last.ckpt"
    value = {"state_dict": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3, "args": {"lr": 0.1}}
    torch.save(value, path)
    assert main(["convert", str(path)]) == 2
    assert not path.with_suffix(".safetensors").exists()
    converted(path, "--key", "state_dict", "--without", "optimizer", "--extras")
    same(load_file(path.with_suffix(".safetensors")), model.state_dict())
    assert json.loads(Path(tmp_path, "last.extras.json").read_text()) == {"epoch": 3, "args": {"lr": 0.1}}


def test_parameters_and_what_was_loaded_by_memory_map(tmp_path):
    model = torch.nn.Linear(300, 200)
    torch.save(model.state_dict(keep_vars=True), tmp_path / "a.pt")
    torch.save(torch.load(tmp_path / "a.pt", mmap=True, weights_only=True), tmp_path / "b.pt")
    for name in ("a", "b"):
        converted(tmp_path / f"{name}.pt")
        same(load_file(tmp_path / f"{name}.safetensors"), model.state_dict())
