"""Vectors of configurations that refer to code."""

from __future__ import annotations

import json
from collections.abc import Iterator

Vectors = Iterator[tuple[str, bytes]]


def _text(value: object) -> bytes:
    return json.dumps(value, indent=1).encode()


def _module(kind: str) -> bytes:
    return _text([{"idx": 0, "name": "0", "path": "", "type": kind}])


def _remote_code() -> Vectors:
    yield "own.json", _text({"model_type": "x", "auto_map": {"AutoModel": "modeling_x.XModel"}})
    yield "other-repository.json", _text({"auto_map": {"AutoModel": "other/code--modeling_x.XModel"}})
    yield "tokenizer.json", _text({"auto_map": {"AutoTokenizer": [None, "other/code--tokenization_x.XTokenizerFast"]}})
    yield "in-a-part.json", _text({"text_config": {"auto_map": {"AutoConfig": "configuration_x.XConfig"}}})
    yield "repeated-key.json", b'{"auto_map": {"AutoModel": "other/code--m.X"}, "auto_map": {}}'
    yield "escaped-key.json", b'{"auto\\u005fmap": {"AutoModel": "other/code--m.X"}}'
    yield "utf-16.json", '{"auto_map": {"AutoModel": "other/code--m.X"}}'.encode("utf-16")
    yield "transformers-pipeline.json", _text({"custom_pipelines": {"pair": {"impl": "pair.PairPipeline"}}})
    yield "diffusers-pipeline.json", _text({"_class_name": ["my_pipeline", "Mine"], "_diffusers_version": "0.42.1"})
    yield (
        "diffusers-component.json",
        _text({"_class_name": "DDPMPipeline", "_diffusers_version": "0.42.1", "unet": ["my_unet", "MyUNet"]}),
    )
    yield "module-of-a-package.json", _module("subprocess.Popen")
    yield "module-of-the-repository.json", _module("custom_st.Transformer")
    yield "adapter-base.json", _text({"peft_type": "LORA", "base_model_name_or_path": "other/base", "revision": None})
    yield "adapter-library.json", _text({"peft_type": "LORA", "auto_mapping": {"parent_library": "antigravity"}})
    yield "adapter-megatron.json", _text({"peft_type": "LORA", "megatron_core": "antigravity", "revision": "main"})


def _no_code() -> Vectors:
    yield "config.json", _text({"model_type": "bert", "hidden_size": 8, "auto_map": {}})
    yield "modules.json", _module("sentence_transformers.models.Transformer")
    yield (
        "model_index.json",
        _text(
            {
                "_class_name": "StableDiffusionPipeline",
                "_diffusers_version": "0.42.1",
                "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
                "unet": ["diffusers", "UNet2DConditionModel"],
                "feature_extractor": [None, None],
            }
        ),
    )
    yield (
        "adapter_config.json",
        _text(
            {
                "peft_type": "LORA",
                "base_model_name_or_path": "./base",
                "auto_mapping": {"parent_library": "transformers.models.bert.modeling_bert"},
                "megatron_core": "megatron.core",
            }
        ),
    )
    yield "sizes.json", _text({"unet": ["a", "b"], "impl": "x", "type": "os.system"})
    yield "modeling_x.txt", b"import os\n\n\nclass XModel:\n    auto_map = {'AutoModel': 'other/code--m.X'}\n"
    yield "cut-short.json", b'{"auto_map": {"AutoModel": "other/code--m.X"'


CHECKS = {"remote-code": (_remote_code, _no_code)}
