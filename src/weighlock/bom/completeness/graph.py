"""A document of SPDX 3 with its relationships where a reader would look for them.

Elements of SPDX 3 refer to each other. Here each gets what it refers to under a name with ``_`` in front, such as
``_suppliedBy`` or ``_hasDeclaredLicense``.

Source:
    SPDX 3.0.1, the core, software, AI, dataset, security and simple licensing profiles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from weighlock.bom.completeness.documents import MARK, Described, Thing
from weighlock.bom.completeness.element import SPDX3

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NO_MARKS: frozenset[str] = frozenset()
_PEOPLE = ("suppliedBy", "originatedBy")
_RELATIONS = ("hasDeclaredLicense", "hasConcludedLicense", "trainedOn", "testedOn", "contains")
_COMPONENTS = frozenset({"software_Package", "software_File", "ai_AIPackage", "dataset_DatasetPackage"})


def spdx3(document: Mapping[str, Any]) -> Described:
    """Return what a document describes.

    Args:
        document: As parsed from JSON; what is broken in it is passed over.
    """
    graph = document.get("@graph")
    elements = [
        (f"@graph[{index}]", one)
        for index, one in enumerate(graph if isinstance(graph, list) else [document])
        if isinstance(one, dict) and isinstance(one.get("type"), str)
    ]
    named = {_id(one): one for _, one in elements if _id(one)}
    relations = [one for _, one in elements if isinstance(one.get("relationshipType"), str)]
    marks = _marks(elements)
    starting: dict[str, list[dict[str, Any]]] = {}
    for relation in relations:
        starting.setdefault(str(relation.get("from")), []).append(relation)
    whole = [(where, _joined(one, starting.get(_id(one), ()), named)) for where, one in elements]
    before = _ancestors(relations)
    models = tuple(one for one in _things("ai_AIPackage", whole, marks) if _id(one.value) not in before)
    datasets = _things("dataset_DatasetPackage", whole, marks)
    roots = _roots(elements)
    systems = [
        Thing(where=where, value=one, marks=marks.get(_id(one), frozenset()))
        for where, one in whole
        if _id(one) in roots
    ]
    described = _document(document, [pair for pair in elements if _id(pair[1]) not in roots], named, relations)
    described["_models"] = [model.value for model in models]
    return Described(
        form=SPDX3,
        document=Thing(where="", value=described, marks=_document_marks(elements, marks)),
        system=systems[0] if len(systems) == 1 else None,
        models=models,
        datasets=datasets,
    )


def _ancestors(relations: Iterable[dict[str, Any]]) -> frozenset[str]:
    """Return what other models were made from: they are no part of what is described."""
    found: set[str] = set()
    for relation in relations:
        ends = relation.get("to") if relation["relationshipType"] == "descendantOf" else None
        ends = [relation.get("from")] if relation["relationshipType"] == "ancestorOf" else ends
        found |= {one for one in ends if isinstance(one, str)} if isinstance(ends, list) else set()
    return frozenset(found)


def _properties(one: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the properties of CycloneDX that an element has by the extension for them."""
    extensions = one.get("extension")
    entries = [
        entry
        for extension in (extensions if isinstance(extensions, list) else ())
        if isinstance(extension, dict) and isinstance(extension.get("extension_cdxProperty"), list)
        for entry in extension["extension_cdxProperty"]
        if isinstance(entry, dict)
    ]
    return [{"name": one.get("extension_cdxPropName"), "value": one.get("extension_cdxPropValue")} for one in entries]


def _things(
    kind: str, elements: Iterable[tuple[str, dict[str, Any]]], marks: Mapping[str, frozenset[str]]
) -> tuple[Thing, ...]:
    return tuple(
        Thing(where=where, value=one, marks=marks.get(_id(one), _NO_MARKS))
        for where, one in elements
        if one.get("type") == kind
    )


def _document(
    document: Mapping[str, Any],
    elements: list[tuple[str, dict[str, Any]]],
    named: Mapping[str, dict[str, Any]],
    relations: list[dict[str, Any]],
) -> dict[str, Any]:
    """Return the document with what stands for it as a whole."""

    def every(*kinds: str) -> list[dict[str, Any]]:
        return [one for _, one in elements if one.get("type") in kinds]

    first = next(iter(every("SpdxDocument")), {})
    creation = next(iter(_resolve(first.get("creationInfo"), named) or every("CreationInfo")), {})
    return {
        **document,
        "_document": first,
        "_creation": creation,
        "_sbom": next(iter(every("software_Sbom")), {}),
        "_createdBy": _resolve(creation.get("createdBy"), named),
        "_createdUsing": _resolve(creation.get("createdUsing"), named),
        "_relationships": relations,
        "_components": every(*_COMPONENTS),
        "_packages": every("software_Package"),
        "_hardware": [one for _, one in elements if str(one.get("type", "")).startswith("hardware_")],
        "_vulnerabilities": every("security_Vulnerability"),
        "_scores": [one for _, one in elements if "security_score" in one or "security_severity" in one],
    }


def _joined(
    one: dict[str, Any], relations: Iterable[dict[str, Any]], named: Mapping[str, dict[str, Any]]
) -> dict[str, Any]:
    if one.get("type") not in _COMPONENTS:
        return one
    made = {**one, **{f"_{key}": _resolve(one.get(key), named) for key in _PEOPLE}, "properties": _properties(one)}
    for relation in relations:
        kind = relation.get("relationshipType")
        if kind in _RELATIONS:
            found = _resolve(relation.get("to"), named)
            made.setdefault(f"_{kind}", []).extend({**other, "properties": _properties(other)} for other in found)
    return made


def _resolve(value: Any, named: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    items = value if isinstance(value, list) else [value]
    found = []
    for item in items:
        if isinstance(item, dict):
            found.append(item)
        elif isinstance(item, str) and item in named:
            found.append(named[item])
        elif isinstance(item, str) and item.startswith(("http://", "https://")):
            found.append({"name": item})
    return found


def _roots(elements: Iterable[tuple[str, dict[str, Any]]]) -> frozenset[str]:
    boms = {_id(one) for _, one in elements if one.get("type") in {"software_Sbom", "Bom", "Bundle"}}
    found = set()
    for _, one in elements:
        if one.get("type") in {"software_Sbom", "SpdxDocument"} and isinstance(one.get("rootElement"), list):
            found |= {root for root in one["rootElement"] if isinstance(root, str) and root not in boms}
    return frozenset(found)


def _marks(elements: Iterable[tuple[str, dict[str, Any]]]) -> dict[str, frozenset[str]]:
    """Return what annotations say is unknown, by the element that they are about."""
    found: dict[str, set[str]] = {}
    for _, one in elements:
        statement, subject = one.get("statement"), one.get("subject")
        if one.get("type") == "Annotation" and isinstance(statement, str) and isinstance(subject, str):
            name, _, word = statement.partition(" ")
            if name == MARK and word:
                found.setdefault(subject, set()).add(word)
    return {subject: frozenset(words) for subject, words in found.items()}


def _document_marks(
    elements: Iterable[tuple[str, dict[str, Any]]], marks: Mapping[str, frozenset[str]]
) -> frozenset[str]:
    documents = [_id(one) for _, one in elements if one.get("type") in {"SpdxDocument", "software_Sbom"}]
    return frozenset(word for name in documents for word in marks.get(name, ()))


def _id(one: Mapping[str, Any]) -> str:
    value = one.get("spdxId", one.get("@id"))
    return value if isinstance(value, str) else ""
