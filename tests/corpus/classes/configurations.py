"""Objects of transformers, accelerate, diffusers and tokenizers, and state that other picklers write."""

from __future__ import annotations

import collections
import pickle
import tempfile
from collections.abc import Iterator

import cloudpickle
import dill
import pandas as pd

from tests.corpus.benign.tensors import saved
from tests.corpus.case import Case
from tests.corpus.classes import own


def _arguments(**options: object) -> object:
    from transformers import TrainingArguments

    with tempfile.TemporaryDirectory() as folder:
        return TrainingArguments(folder, use_cpu=True, report_to=[], **options)


def _configurations() -> Iterator[tuple[str, object]]:
    import tokenizers
    import transformers
    from accelerate.utils import DataLoaderConfiguration, GradientAccumulationPlugin, ProjectConfiguration

    yield "bert-config", transformers.BertConfig(hidden_size=8)
    yield "gpt2-config", transformers.GPT2Config(n_embd=8)
    yield "generation-config", transformers.GenerationConfig(max_length=3)
    yield "tokenizer", tokenizers.Tokenizer(tokenizers.models.BPE())
    yield "added-token", tokenizers.AddedToken("[X]")
    yield "batch-encoding", transformers.BatchEncoding({"input_ids": [[1, 2]]})
    yield "project-configuration", ProjectConfiguration("x")
    yield "loader-configuration", DataLoaderConfiguration()
    yield "accumulation", GradientAccumulationPlugin(2)


def _diffusers() -> Iterator[tuple[str, object]]:
    import diffusers

    yield "ddpm", diffusers.DDPMScheduler(10)
    yield "ddim", diffusers.DDIMScheduler(10)
    yield "euler", diffusers.EulerDiscreteScheduler(10)


def cases() -> Iterator[Case]:
    """Make the files."""
    yield Case("training_args.bin", saved(_arguments()), "torch_load")
    yield Case(
        "training_args-options.bin",
        saved(_arguments(learning_rate=1e-3, save_strategy="no", optim="adamw_torch", lr_scheduler_type="cosine")),
        "torch_load",
    )
    yield Case(
        "training_args-evaluated.bin",
        saved(_arguments(eval_strategy="steps", logging_strategy="epoch", seed=3)),
        "torch_load",
    )
    for name, value in (*_configurations(), *_diffusers()):
        yield Case(f"library-{name}.pkl", pickle.dumps(value))
    yield Case("cloudpickle-reference.pkl", cloudpickle.dumps([own.Settings(1, "a"), own.Colour.RED]))
    yield Case("dill-reference.pkl", dill.dumps([own.Settings(1, "a"), own.Colour.RED]), "dill_load")
    yield Case(
        "pandas-custom.pkl", pickle.dumps(pd.DataFrame({"o": [own.Point(1, 2), own.Point(3, 4)]})), "pandas_load"
    )
    yield Case("pandas-custom-attrs.pkl", pickle.dumps(_attributed()), "pandas_load")
    yield Case("plain-default-dict-of-class.pkl", pickle.dumps(collections.defaultdict(own.Settings)))


def _attributed() -> pd.DataFrame:
    frame = pd.DataFrame({"a": [1]})
    frame.attrs["settings"] = own.Settings(2, "b")
    return frame
