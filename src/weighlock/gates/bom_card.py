"""What the documents of a model come to as the model card of its component."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.bom.tasks import FORMATS
from weighlock.bom.values import Metric, ModelCard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.gates.bom_documents import Documents

_COMMIT = re.compile(r"[0-9a-f]{40}\Z")
_MOST_BASES = 50
_LISTS = ("language", "metrics", "base_model_relation", "inference", "library_name", "new_version", "thumbnail")
_SECTIONS = (
    ("training-data", "training-data"),
    ("training", "training"),
    ("evaluation", "evaluation"),
    ("hardware", "hardware"),
    ("out-of-scope", "out-of-scope"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bases:
    """What a model was made from.

    Args:
        names: Repositories or paths, each with its commit where one is said.
        relation: How: ``adapter``, ``finetune``, ``quantized`` or ``merge``, and who says so.
    """

    names: tuple[tuple[str, str | None], ...] = ()
    relation: str | None = None


def dataset_names(documents: Documents) -> tuple[str, ...]:
    """Return the datasets that the card names, each once, sorted."""
    return tuple(sorted(set(documents.card.all("datasets")))) if documents.card else ()


def bases_of(documents: Documents) -> Bases:
    """Return what the model was made from, as its card and its adapter say."""
    found: dict[str, str | None] = {}
    adapter = documents.configuration("adapter_config.json")
    if adapter.base:
        # A branch or a tag is no version: it leads somewhere else tomorrow.
        revision = adapter.base_revision
        found[adapter.base] = revision if revision and _COMMIT.match(revision) else None
    for name in documents.card.all("base_model") if documents.card else ():
        found.setdefault(name, None)
    if not found:
        return Bases()
    stated = documents.card.text("base_model_relation") if documents.card else None
    return Bases(names=tuple(sorted(found.items())[:_MOST_BASES]), relation=_relation(documents, stated))


def _relation(documents: Documents, stated: str | None) -> str:
    """Return how a model was made from others; what nobody says is worked out as the Hub does."""
    if stated:
        return stated
    if documents.configuration("adapter_config.json").base:
        return "adapter (its adapter_config.json says so)"
    if documents.gguf or documents.configuration("config.json").quantized:
        return "quantized (worked out from its files)"
    if documents.card and len(documents.card.all("base_model")) > 1:
        return "merge (worked out from the number of its bases)"
    return "finetune (taken for one, nobody says)"


def card_of(documents: Documents) -> ModelCard:
    """Return the model card, without its datasets."""
    card, config = documents.card, documents.configuration("config.json")
    index = documents.configuration("model_index.json")
    sections = card.sections if card else {}
    task = card.text("pipeline_tag") if card else None
    inputs, outputs = FORMATS.get(task or "", ((), ()))
    family = config.family or next((value for name, value in documents.gguf if name == "general.architecture"), None)
    return ModelCard(
        task=task,
        family=family,
        architecture=", ".join((*config.classes, *index.classes)) or None,
        inputs=inputs,
        outputs=outputs,
        metrics=tuple(Metric(kind=one.metric, value=one.value, slice=one.dataset) for one in card.results)
        if card
        else (),
        users=_section(sections.get("users")),
        uses=_section(sections.get("uses")),
        limitations=_section(sections.get("limitations")),
        tradeoffs=_section(sections.get("tradeoffs")),
        risks=_section(sections.get("risks")),
        environment=tuple(_environment(documents)),
        properties=tuple(_properties(documents)),
    )


def _section(text: str | None) -> tuple[str, ...]:
    return (text,) if text else ()


def _environment(documents: Documents) -> Iterator[tuple[str, str]]:
    if documents.card is None:
        return
    for name, value in documents.card.emissions:
        yield f"weighlock:co2_eq_emissions:{name}", value
    if text := documents.card.sections.get("environment"):
        yield "weighlock:environmental-impact", text


def _properties(documents: Documents) -> Iterator[tuple[str, str]]:
    for path, config in sorted(documents.configurations.items()):
        yield from ((f"weighlock:{path}:{key}", value) for key, value in config.facts)
        if config.quantized:
            yield "weighlock:quantization", config.quantized
    parameters = _parameters(documents)
    if parameters is not None:
        yield "weighlock:parameters", str(parameters)
    card = documents.card
    if card is None:
        return
    for key in _LISTS:
        if values := card.all(key):
            yield f"weighlock:{key.replace('_', '-')}", ", ".join(values)
    used = dict(card.emissions).get("hardware_used")
    if used and "hardware" not in card.sections:
        yield "weighlock:hardware", used
    for name, section in _SECTIONS:
        if text := card.sections.get(section):
            yield f"weighlock:{name}", text
    if card.repeated:
        yield "weighlock:card:repeated-keys", ", ".join(card.repeated[:20])
    for what in card.dropped:
        yield "weighlock:card:left-out", what


def _parameters(documents: Documents) -> int | None:
    """Return how many numbers the weights hold, where it is certain which files are the model's weights.

    Files in several formats or folders may hold the same weights again; then only the files say how many they hold.
    """
    paths = [path for path in documents.parameters if path.endswith(".safetensors")] or list(documents.parameters)
    if not paths or any("/" in path for path in paths):
        return None
    stems = {path.partition("-0")[0].rpartition(".")[0] or path.partition("-0")[0] for path in paths}
    return sum(documents.parameters[path] for path in paths) if len(stems) == 1 else None
