"""The model card and the dataset of a component, in the words of the AI and Dataset profiles of SPDX 3.0.1.

Source:
    SPDX 3.0.1, ``ai_AIPackage`` and ``dataset_DatasetPackage``; the mapping of the G7 elements of openregtech/sbom.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from weighlock.bom.values import Component, ModelCard

_HYPERPARAMETERS = ("parameters", "config.json:", "context", "max_position", "layers", "epoch", "learning", "batch")
_TRAINING = ("train", "fine", "preprocess", "epoch", "learning")


def ai_fields(one: Component) -> dict[str, Any]:
    """Return the fields of the AI profile. What nobody says has no value, or the one for that."""
    card = one.card
    if card is None:
        return {"ai_useSensitivePersonalInformation": "noAssertion", "ai_autonomyType": "noAssertion"}
    return {
        "ai_typeOfModel": [text for text in (card.architecture, card.family) if text],
        "ai_domain": [card.task] if card.task else [],
        "ai_informationAboutApplication": _application(card),
        "ai_informationAboutTraining": _training(card),
        "ai_limitation": "\n\n".join((*card.limitations, *card.tradeoffs, *card.risks)),
        "ai_hyperparameter": _entries(pair for pair in card.properties if _has(pair[0], _HYPERPARAMETERS)),
        "ai_metric": _entries((_metric(one.kind, one.slice), one.value) for one in card.metrics),
        "ai_useSensitivePersonalInformation": "noAssertion",
        "ai_autonomyType": "noAssertion",
    }


def dataset_fields(one: Component) -> dict[str, Any]:
    """Return the fields of the Dataset profile; cards name datasets and say hardly anything about them."""
    del one
    return {"dataset_datasetType": ["noAssertion"], "dataset_hasSensitivePersonalInformation": "noAssertion"}


def _application(card: ModelCard) -> str:
    """Return what goes in, what comes out, and what the model is for: the format has one text for all of it."""
    told = (
        ("inputs", ", ".join(card.inputs)),
        ("outputs", ", ".join(card.outputs)),
        ("intended uses", "\n".join(card.uses)),
        ("users", "\n".join(card.users)),
    )
    return "\n".join(f"{name}: {text}" for name, text in told if text)


def _training(card: ModelCard) -> str:
    return "\n".join(f"{name}: {value}" for name, value in _about_training(card))


def _about_training(card: ModelCard) -> Iterator[tuple[str, str]]:
    for name, value in card.properties:
        if _has(name, _TRAINING):
            yield name.rpartition(":")[2], value
    for name, value in card.environment:
        yield name.rpartition(":")[2], value


def _metric(kind: str, part: str | None) -> str:
    return f"{kind} ({part})" if part else kind


def _entries(pairs: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [
        {"type": "DictionaryEntry", "key": key.removeprefix("weighlock:"), "value": value}
        for key, value in pairs
        if value
    ]


def _has(name: str, words: tuple[str, ...]) -> bool:
    lowered = name.lower()
    return any(word in lowered for word in words)
