"""Python files that come with models, in local folders: no row needs the network."""

from __future__ import annotations

import json
from pathlib import Path

from tests.loaders.row import Row


def _write_config(marker: str, folder: Path) -> None:
    config = {"model_type": "carried", "auto_map": {"AutoConfig": "configuration_carried.Carried"}}
    (folder / "config.json").write_text(json.dumps(config))
    code = "import os\nfrom transformers import PretrainedConfig\n"
    code += f"os.mkdir({marker!r})\nclass Carried(PretrainedConfig):\n    model_type = 'carried'\n"
    (folder / "configuration_carried.py").write_text(code)


def _transformers():
    from transformers import AutoConfig

    return lambda folder: AutoConfig.from_pretrained(str(folder), trust_remote_code=True)


def _write_pipeline(marker: str, folder: Path) -> None:
    (folder / "model_index.json").write_text(json.dumps({"_class_name": ["pipeline", "Carried"]}))
    code = f"import os\nos.mkdir({marker!r})\nfrom diffusers import DiffusionPipeline\n"
    code += "class Carried(DiffusionPipeline):\n    def __init__(self):\n        super().__init__()\n"
    (folder / "pipeline.py").write_text(code)


def _diffusers():
    from diffusers import DiffusionPipeline

    return lambda folder: DiffusionPipeline.from_pretrained(
        str(folder), custom_pipeline=str(folder), trust_remote_code=True
    )


def _write_sentences(marker: str, folder: Path) -> None:
    module = {"idx": 0, "name": "0", "path": "", "type": "carried_module.Carried"}
    (folder / "modules.json").write_text(json.dumps([module]))
    (folder / "config_sentence_transformers.json").write_text("{}")
    code = f"import os, torch\nos.mkdir({marker!r})\nclass Carried(torch.nn.Module):\n"
    code += "    @classmethod\n    def load(cls, *args, **kwargs):\n        return cls()\n"
    (folder / "carried_module.py").write_text(code)


def _sentences():
    from sentence_transformers import SentenceTransformer

    return lambda folder: SentenceTransformer(str(folder.absolute()), trust_remote_code=True, device="cpu")


def _row(name: str, hook: str, write, bind) -> Row:
    return Row(name=name, hook=hook, write=write, bind=bind, slow=True)


ROWS = (
    _row("transformers, trust_remote_code", "transformers", _write_config, _transformers),
    _row("diffusers, custom pipeline", "diffusers", _write_pipeline, _diffusers),
    _row("sentence-transformers, custom module", "sentence_transformers", _write_sentences, _sentences),
)
