"""What a document describes: itself, one system, models and datasets, each with what it marks as unknown.

Source:
    CycloneDX 1.2 to 1.7; SPDX 2.3; SPDX 3.0.1; ``docs/completeness.md`` for the marks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from weighlock.bom.completeness.element import CYCLONEDX, SPDX2

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MARK = "weighlock:unknown"
"""A property of this name says that what its value names is not known; so does ``weighlock:unknown:ELEMENT``."""

_DEEPEST = 64
_MODEL_PURLS = ("pkg:huggingface/", "pkg:mlflow/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """Something that elements are about.

    Args:
        where: Its path in the document.
        value: The object.
        marks: What it says is unknown, in words or identifiers of elements.
    """

    where: str
    value: Mapping[str, Any]
    marks: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """Everything in a document that elements are about.

    Args:
        form: `CYCLONEDX`, `SPDX2` or `SPDX3`.
        document: The bill itself.
        system: What it describes as a whole; `None` where it does not say.
        models: In it.
        datasets: In it.
    """

    form: str
    document: Thing
    system: Thing | None = None
    models: tuple[Thing, ...] = ()
    datasets: tuple[Thing, ...] = field(default=())


def described(document: Mapping[str, Any]) -> Described:
    """Find everything that a document describes. What is broken in it is passed over: it fills nothing.

    Args:
        document: As parsed from JSON.
    """
    if "spdxVersion" in document:
        return _spdx2(document)
    if "@context" in document or "@graph" in document:
        from weighlock.bom.completeness.graph import spdx3

        return spdx3(document)
    return _cyclonedx(document)


def _cyclonedx(document: Mapping[str, Any]) -> Described:
    metadata = _object(document.get("metadata"))
    root = _object(metadata.get("component"))
    listed = list(_components(document.get("components"), "components", 0))
    if root:
        listed = [
            ("metadata.component", root),
            *_components(root.get("components"), "metadata.component.components", 1),
            *listed,
        ]
    models = [Thing(where=where, value=one, marks=_marks(one)) for where, one in listed if _is_model(one)]
    datasets = [Thing(where=where, value=one, marks=_marks(one)) for where, one in listed if one.get("type") == "data"]
    datasets += [inline for model in models for inline in _inline(model)]
    return Described(
        form=CYCLONEDX,
        document=Thing(where="", value=document, marks=_marks(document) | _marks(metadata)),
        system=Thing(where="metadata.component", value=root, marks=_marks(root)) if root else None,
        models=tuple(models),
        datasets=tuple(datasets),
    )


def _is_model(component: Mapping[str, Any]) -> bool:
    return component.get("type") == "machine-learning-model" or str(component.get("purl", "")).startswith(
        _MODEL_PURLS[1]
    )


def _components(value: Any, where: str, depth: int) -> Iterator[tuple[str, dict[str, Any]]]:
    for index, item in enumerate(value if isinstance(value, list) and depth < _DEEPEST else ()):
        if isinstance(item, dict):
            yield f"{where}[{index}]", item
            yield from _components(item.get("components"), f"{where}[{index}].components", depth + 1)


def _inline(model: Thing) -> Iterator[Thing]:
    """Yield the datasets that a model card describes itself, and does not refer to."""
    parameters = _object(_object(model.value.get("modelCard")).get("modelParameters"))
    listed = parameters.get("datasets")
    for index, item in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(item, dict) and "ref" not in item:
            where = f"{model.where}.modelCard.modelParameters.datasets[{index}]"
            yield Thing(where=where, value=item, marks=_marks(item))


def _marks(value: Mapping[str, Any]) -> frozenset[str]:
    """Return what an object says is unknown."""
    found = set()
    for holder in (value, _object(value.get("modelCard"))):
        listed = holder.get("properties")
        for item in listed if isinstance(listed, list) else ():
            name, said = (str(_object(item).get(key, "")) for key in ("name", "value"))
            if name == MARK:
                found.add(said)
            elif name.startswith(f"{MARK}:"):
                found.add(name.removeprefix(f"{MARK}:"))
    return frozenset(found)


def _spdx2(document: Mapping[str, Any]) -> Described:
    packages = [
        (f"packages[{n}]", one) for n, one in enumerate(_list(document.get("packages"))) if isinstance(one, dict)
    ]
    creation = _object(document.get("creationInfo"))
    tools = [one[5:].strip() for one in _list(creation.get("creators")) if isinstance(one, str) and one[:5] == "Tool:"]
    relations = [_object(one) for one in _list(document.get("relationships"))]
    described = {one.get("relatedSpdxElement") for one in relations if one.get("relationshipType") == "DESCRIBES"}
    described |= {one for one in _list(document.get("documentDescribes")) if isinstance(one, str)}
    roots = [Thing(where=where, value=one) for where, one in packages if one.get("SPDXID") in described]
    return Described(
        form=SPDX2,
        document=Thing(where="", value={**document, "_tools": tools}),
        system=roots[0] if len(roots) == 1 else None,
        models=tuple(Thing(where=where, value=one) for where, one in packages if _is_spdx_model(one)),
    )


def _is_spdx_model(package: Mapping[str, Any]) -> bool:
    locators = [str(_object(one).get("referenceLocator", "")) for one in _list(package.get("externalRefs"))]
    return any(locator.startswith(_MODEL_PURLS) for locator in locators)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
