"""What configurations say about a model."""

from __future__ import annotations

import json

import pytest

from tests.bom import folders
from weighlock.formats import gguf, json_text
from weighlock.formats.architecture import Architecture, describe
from weighlock.formats.source import Budget, BytesSource


def described(value: object) -> Architecture:
    return describe(json_text.parse(BytesSource(json.dumps(value).encode()), Budget()))


def test_a_configuration_names_class_family_and_sizes():
    found = described({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 32000})
    assert (found.family, found.classes) == ("llama", ("LlamaForCausalLM",))
    assert ("vocab_size", "32000") in found.facts


def test_an_adapter_names_its_base():
    found = described({"peft_type": "LORA", "base_model_name_or_path": "org/base", "revision": "a" * 40})
    assert (found.base, found.base_revision) == ("org/base", "a" * 40)
    assert described({"base_model_name_or_path": "org/base"}).base is None


def test_quantised_weights_are_said():
    assert described({"quantization_config": {"quant_method": "gptq", "bits": 4}}).quantized == "gptq, 4 bits"


@pytest.mark.parametrize(
    "value",
    [[], 5, None, {"architectures": "x"}, {"architectures": [{}, 3, None]}, {"model_type": {"a": 1}}],
)
def test_odd_types_say_nothing(value: object):
    found = described(value)
    assert found.family is None
    assert not [name for name in found.classes if name != "3"]


def test_a_gguf_header_says_what_the_model_is(tmp_path):
    path = folders.gguf(tmp_path / "a.gguf", {"general.architecture": "llama", "llama.context_length": 4096, "x": "y"})
    data = path.read_bytes()
    found = gguf.parse(BytesSource(data), Budget())
    assert found.facts == [("general.architecture", "llama"), ("llama.context_length", "4096")]
    assert (found.elements, found.oddities) == (32, [])


def test_a_long_fact_of_a_gguf_header_is_cut(tmp_path):
    path = folders.gguf(tmp_path / "a.gguf", {"general.name": "x" * 100_000, "general.license": "mit"})
    found = gguf.parse(BytesSource(path.read_bytes()), Budget())
    assert [len(value) for _, value in found.facts] == [4096, 3]
    assert not found.oddities


def test_a_gguf_header_with_thousands_of_facts_keeps_a_hundred(tmp_path):
    path = folders.gguf(tmp_path / "a.gguf", {f"general.{n}": n for n in range(1000)})
    found = gguf.parse(BytesSource(path.read_bytes()), Budget())
    assert len(found.facts) == 100
    assert not found.oddities
