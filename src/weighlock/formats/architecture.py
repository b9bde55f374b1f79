"""Configurations of models: what a model is made of, as its own files say.

Source:
    ``PretrainedConfig`` and ``GenerationConfig`` of transformers, ``PeftConfig`` of peft, ``model_index.json`` of
    diffusers, for the keys.
"""

from __future__ import annotations

from dataclasses import dataclass

from weighlock.formats.json_text import JsonObject

_LONGEST = 200
_MOST = 20

# Keys of a configuration that say how large the model is, and what it can take in; others stay in the file.
_SIZES = (
    "vocab_size", "hidden_size", "d_model", "n_embd", "num_hidden_layers", "n_layer", "num_layers",
    "num_attention_heads", "n_head", "num_key_value_heads", "intermediate_size", "max_position_embeddings",
    "n_positions", "max_sequence_length", "sliding_window", "num_experts", "num_local_experts",
    "num_experts_per_tok", "image_size", "num_labels", "torch_dtype", "dtype", "transformers_version",
    "_diffusers_version",
)  # fmt: skip
_ADAPTER = ("peft_type", "task_type", "r", "lora_alpha")
_GENERATION = ("max_new_tokens", "max_length", "temperature", "top_p", "top_k", "do_sample", "num_beams")


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """What a configuration says about a model.

    Args:
        family: Such as ``bert``.
        classes: Such as ``BertForMaskedLM``.
        facts: Other names and values that describe it.
        base: What an adapter is added to: a repository or a path.
        base_revision: Of that repository.
        quantized: By which method its weights were quantised.
    """

    family: str | None = None
    classes: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    base: str | None = None
    base_revision: str | None = None
    quantized: str | None = None


def describe(value: object) -> Architecture:
    """Return what a ``config.json``, ``model_index.json``, ``adapter_config.json`` or ``generation_config.json`` says.

    Args:
        value: What `weighlock.formats.json_text.parse` returned.

    Source:
        The libraries named above.
    """
    if not isinstance(value, JsonObject):
        return Architecture()
    classes = [_word(item) for found in value.every("architectures") if isinstance(found, list) for item in found]
    return Architecture(
        family=_first(value, "model_type"),
        classes=tuple(name for name in (*classes, _first(value, "_class_name")) if name)[:_MOST],
        facts=tuple((key, word) for key in (*_SIZES, *_ADAPTER, *_GENERATION) if (word := _first(value, key))),
        base=_first(value, "base_model_name_or_path") if value.every("peft_type") else None,
        base_revision=_first(value, "revision") if value.every("peft_type") else None,
        quantized=_quantized(value),
    )


def _quantized(value: JsonObject) -> str | None:
    for found in value.every("quantization_config"):
        if isinstance(found, JsonObject):
            bits = _first(found, "bits") or ("4" if True in found.every("load_in_4bit") else None)
            method = _first(found, "quant_method") or "unknown method"
            return f"{method}, {bits} bits" if bits else method
    return None


def _first(value: JsonObject, key: str) -> str | None:
    return next((word for found in value.every(key) if (word := _word(found))), None)


def _word(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return value[:_LONGEST] or None if isinstance(value, str) else None
