"""Datasets as components of a bill of materials: those that a card names, and those that are locked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.bom.names import hub_page, huggingface, is_repo, reference
from weighlock.bom.values import DATASET, UNKNOWN, Component, Reference

if TYPE_CHECKING:
    from weighlock.bom.values import Properties
    from weighlock.gates.bom_documents import Documents

_KEYS = (
    ("size_categories", "size-categories"),
    ("task_categories", "task-categories"),
    ("task_ids", "task-ids"),
    ("language", "language"),
    ("multilinguality", "multilinguality"),
    ("source_datasets", "source-datasets"),
    ("annotations_creators", "annotations-creators"),
    ("language_creators", "language-creators"),
    ("pretty_name", "pretty-name"),
)
_SECTIONS = (("collection", "collection"), ("personal", "personal-data"), ("risks", "known-bias"))


def named_dataset(name: str) -> Component:
    """Return a dataset that a card names, of which nothing but the name is known."""
    on_hub = is_repo(name)
    purl = huggingface(name, kind="dataset") if on_hub else None
    missing = ("digest", "version", "license", "description", "content", "provenance", "statistics", "sensitivity")
    return Component(
        kind=DATASET,
        ref=purl or reference("dataset", name),
        name=name,
        purl=purl,
        producer=name.partition("/")[0] if on_hub and "/" in name else None,
        content="dataset",
        references=(Reference(kind="distribution", url=hub_page(name, kind="dataset")),) if on_hub else (),
        properties=(
            ("weighlock:source", "named by a model card, not looked at"),
            *((UNKNOWN, gap) for gap in sorted(missing)),
        ),
    )


def properties_of(documents: Documents) -> Properties:
    """Return what the card of a dataset says about it."""
    card = documents.card
    if card is None:
        return ()
    told = [(name, ", ".join(card.all(key))) for key, name in _KEYS if card.all(key)]
    told += [(name, card.sections[section]) for section, name in _SECTIONS if section in card.sections]
    return tuple((f"weighlock:{name}", value) for name, value in told)


def gaps_of(component: Component) -> list[str]:
    """Return what a reader looks for in vain in a dataset that is locked."""
    told = {name.removeprefix("weighlock:") for name, _ in component.properties}
    there = {
        "license": component.licenses,
        "description": component.description,
        "producer": component.producer,
        "content": told & {"task-categories", "language", "size-categories"},
        "provenance": told & {"collection", "source-datasets", "annotations-creators"},
        "statistics": told & {"size-categories", "known-bias"},
        "sensitivity": told & {"personal-data"},
    }
    return sorted(name for name, value in there.items() if not value)
