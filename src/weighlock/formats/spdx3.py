"""SPDX 3: a bill of materials as JSON-LD, of any generator, in the one serialisation that SPDX demands.

Source:
    SPDX 3.0.1, "Serializations" (the context by its URL, names compacted), and the classes ``software_Package``,
    ``software_File``, ``ai_AIPackage``, ``dataset_DatasetPackage``, ``security_Vulnerability`` and the relationships of
    VEX.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from weighlock.errors import FormatError, OverBudgetError
from weighlock.formats.inventory import (
    CONTEXT,
    DATA,
    FILE,
    MODEL,
    MOST_COMPONENTS,
    PACKAGE,
    Assertion,
    Component,
    Inventory,
    purl_of,
    required,
    tables,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from weighlock.formats.purl import Purl

_CONTEXT = re.compile(r"https://spdx\.org/rdf/3\.0\.[0-9]{1,2}/spdx-context\.jsonld\Z")
_VERSION = re.compile(r"3\.0\.[0-9]{1,2}\Z")
_KINDS = {"software_Package": PACKAGE, "software_File": FILE, "ai_AIPackage": MODEL, "dataset_DatasetPackage": DATA}
_OTHERS = frozenset(
    {
        *("software_Sbom", "software_Snippet", "software_ContentIdentifier"),
        *("ai_EnergyConsumption", "ai_EnergyConsumptionDescription"),
    }
)
_PURPOSES = {"operatingSystem": CONTEXT, "device": CONTEXT, "file": FILE, "model": MODEL, "data": DATA}
_STATES = {
    "security_VexNotAffectedVulnAssessmentRelationship": "not_affected",
    "security_VexFixedVulnAssessmentRelationship": "resolved",
    "security_VexUnderInvestigationVulnAssessmentRelationship": "in_triage",
    "security_VexAffectedVulnAssessmentRelationship": "exploitable",
}
_CONTAINS = frozenset({"contains", "hasDataFile", "hasDistributionArtifact"})
_SHA256 = re.compile(r"[0-9a-fA-F]{64}\Z")
_PROFILES = ("ai_", "dataset_", "software_")


def parse(document: dict[str, Any]) -> Inventory:
    """Return what a document lists.

    Args:
        document: As `weighlock.formats.inventory.load` returns it.

    Raises:
        FormatError: It is of a version or in a serialisation that is not known, or a member is broken; `where` is its
            path.
        OverBudgetError: It lists too much.
    """
    context = document.get("@context")
    if isinstance(context, list) and len(context) == 1:
        (context,) = context
    if not isinstance(context, str) or not _CONTEXT.match(context):
        # A context of one's own can give any name any meaning: what stands here could be called otherwise.
        raise FormatError("is not the context of SPDX 3.0 by its URL", where="@context")
    found = list(_elements(document))
    named = {_identifier(data): (where, data) for where, data in found if _identifier(data)}
    versions = [(where, text(data, "specVersion", where)) for where, data in found if _type(data) == "CreationInfo"]
    for where, version in versions:
        if not _VERSION.match(version):
            raise FormatError(f"is {version[:40]!r}, and 3.0.0 and 3.0.1 are known", where=f"{where}.specVersion")
    if not versions:
        raise FormatError("has no CreationInfo, so its version is not known", where="@graph")
    subjects = _subjects(found)
    parents, before = _parents(found, named), _ancestors(found)
    components = [
        replace(
            _component(data, where, named),
            subject=_identifier(data) in subjects,
            parent=parents.get(_identifier(data), ""),
            ancestor=_identifier(data) in before,
        )
        for where, data in found
        if _type(data) in _KINDS
    ]
    return Inventory(
        form="SPDX",
        version=versions[0][1],
        components=tuple(components),
        assertions=tuple(_assertions(found, named)),
        beside=tuple(_beside(document, found)),
    )


def _elements(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every object that has a type, also one that stands inside of another."""
    graph = document.get("@graph")
    waiting: list[tuple[str, Any]] = [("", document)]
    if graph is not None:  # what stands beside it is read by some, too
        beside = [item for item in document.items() if item[0] not in {"@context", "@graph"}]
        if any(key in {"type", "@type"} or key.startswith(_PROFILES) for key, _ in beside):
            raise FormatError("describes something beside its graph", where="@graph")
        waiting = [*reversed(beside), ("@graph", graph)]
    number = 0
    while waiting:
        where, value = waiting.pop()
        if isinstance(value, list):
            waiting += [(f"{where}[{index}]", item) for index, item in reversed(list(enumerate(value)))]
        elif isinstance(value, dict):
            waiting += [(f"{where}.{key}"[:400], item) for key, item in reversed(value.items()) if not _is_plain(item)]
            if "type" in value or "@type" in value:
                number += 1
                if number > 10 * MOST_COMPONENTS:
                    raise OverBudgetError(f"has more than {10 * MOST_COMPONENTS} elements", where="@graph")
                _require_known(value, where)
                yield where, value
            elif any(key.startswith(_PROFILES) for key in value):
                raise FormatError("has no type", where=where)


def _is_plain(value: Any) -> bool:
    return not isinstance(value, (dict, list))


def _require_known(data: dict[str, Any], where: str) -> None:
    for key in data:
        if key.startswith(("http:", "https:")) or (":" in key and key not in {"@id", "@type"}):
            raise FormatError(f"has the name {key[:80]!r}, which is not compacted", where=where)
    if ("type" in data and "@type" in data) or ("spdxId" in data and "@id" in data):
        raise FormatError("has its type or its name twice", where=where)
    kind = _type(data)
    if ":" in kind or "/" in kind or not kind:
        raise FormatError(f"is {kind[:80]!r}, which is no compacted class", where=f"{where}.type")
    if kind.startswith(_PROFILES) and kind not in _KINDS and kind not in _OTHERS:
        raise FormatError(f"is {kind[:80]!r}, which is no class of SPDX 3.0", where=f"{where}.type")


def _type(data: dict[str, Any]) -> str:
    value = data.get("type", data.get("@type"))
    return value if isinstance(value, str) else ""


def _identifier(data: dict[str, Any]) -> str:
    value = data.get("spdxId", data.get("@id"))
    return value if isinstance(value, str) else ""


def _subjects(found: list[tuple[str, dict[str, Any]]]) -> frozenset[str]:
    """Return the one element that the bill is about; where it has several roots, each is one of its components."""
    boms = {_identifier(data) for _, data in found if _type(data) in {"software_Sbom", "Bom", "Bundle"}}
    roots = {
        root
        for where, data in found
        if _type(data) in {"software_Sbom", "SpdxDocument"}
        for root in _strings(data, "rootElement", where)
    }
    return frozenset(roots - boms) if len(roots - boms) == 1 else frozenset()


def _strings(data: dict[str, Any], key: str, where: str) -> list[str]:
    value = data.get(key, [])
    value = [value] if isinstance(value, (str, dict)) else value
    if not isinstance(value, list):
        raise FormatError("must be a list", where=f"{where}.{key}")
    return [item if isinstance(item, str) else _identifier(item) for item in value if isinstance(item, (str, dict))]


def _parents(
    found: list[tuple[str, dict[str, Any]]], named: Mapping[str, tuple[str, dict[str, Any]]]
) -> dict[str, str]:
    """Return the path of what each element lies in."""
    inside = {}
    for where, data in found:
        if _type(data) == "Relationship" and text(data, "relationshipType", where) in _CONTAINS:
            outer = named.get(next(iter(_strings(data, "from", where)), ""))
            if outer is not None:
                inside.update(dict.fromkeys(_strings(data, "to", where), outer[0]))
    return inside


def _ancestors(found: list[tuple[str, dict[str, Any]]]) -> frozenset[str]:
    """Return the names of what others were made from and that no bill lists as one of its elements."""
    before: set[str] = set()
    listed: set[str] = set()
    for where, data in found:
        relation = text(data, "relationshipType", where) if _type(data) == "Relationship" else ""
        if relation in {"descendantOf", "ancestorOf"}:
            before |= set(_strings(data, "to" if relation == "descendantOf" else "from", where))
        elif relation or _type(data) == "software_Sbom":
            listed |= set(_strings(data, "to" if relation else "element", where))
    return frozenset(before - listed)


def _extension(data: dict[str, Any], where: str) -> Iterator[tuple[str, str]]:
    """Yield properties of CycloneDX, for which SPDX has an extension."""
    for index, item in enumerate(tables(data.get("extension"), f"{where}.extension")):
        path = f"{where}.extension[{index}].extension_cdxProperty"
        for number, entry in enumerate(tables(item.get("extension_cdxProperty"), path)):
            place = f"{path}[{number}]"
            yield text(entry, "extension_cdxPropName", place), text(entry, "extension_cdxPropValue", place)


def _component(data: dict[str, Any], where: str, named: Mapping[str, tuple[str, dict[str, Any]]]) -> Component:
    kind = _type(data)
    purpose = text(data, "software_primaryPurpose", where)
    purls, problem = _purls(data, where, named)
    digests = list(_digests(data, where, named))
    own = tuple(dict.fromkeys(value for algorithm, value in digests if algorithm == "sha256"))
    software = _KINDS[kind] == PACKAGE
    return Component(
        name=required(data, "name", where),
        version=text(data, "software_packageVersion", where) or None,
        kind=_PURPOSES.get(purpose, PACKAGE) if software else _KINDS[kind],
        word=purpose or kind,
        purls=purls,
        problem=problem,
        where=where,
        ref=_identifier(data),
        sha256=own,
        files_sha256=own if text(data, "software_downloadLocation", where) else (),
        algorithms=tuple(sorted({algorithm for algorithm, _ in digests})),
        properties=tuple(_extension(data, where)),
    )


def _purls(
    data: dict[str, Any], where: str, named: Mapping[str, tuple[str, dict[str, Any]]]
) -> tuple[tuple[Purl, ...], str | None]:
    addresses = [text(data, "software_packageUrl", where)]
    for path, item in _inner(data, "externalIdentifier", where, named):
        if text(item, "externalIdentifierType", path) == "packageUrl":
            addresses.append(required(item, "identifier", path))
    read = [purl_of(address) for address in dict.fromkeys(addresses) if address]
    problems = [problem for _, problem in read if problem]
    return tuple(one for purls, _ in read for one in purls), problems[0] if problems else None


def _digests(
    data: dict[str, Any], where: str, named: Mapping[str, tuple[str, dict[str, Any]]]
) -> Iterator[tuple[str, str]]:
    for path, item in _inner(data, "verifiedUsing", where, named):
        if _type(item) in {"Hash", "PackageVerificationCode"}:
            algorithm, value = required(item, "algorithm", path), required(item, "hashValue", path)
            if _type(item) == "Hash" and algorithm == "sha256" and not _SHA256.match(value):
                raise FormatError("must be a SHA-256 digest in hexadecimal", where=f"{path}.hashValue")
            yield algorithm if _type(item) == "Hash" else "packageVerificationCode", value.lower()


def _inner(
    data: dict[str, Any], key: str, where: str, named: Mapping[str, tuple[str, dict[str, Any]]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the objects of a member, those included that stand elsewhere and are named here."""
    value = data.get(key)
    for index, item in enumerate(value if isinstance(value, list) else [] if value is None else [value]):
        path = f"{where}.{key}[{index}]"
        if isinstance(item, str):
            if item not in named:
                raise FormatError("names an element that is not there", where=path)
            yield named[item]
        else:
            yield path, tables([item], path)[0]


def _assertions(
    found: list[tuple[str, dict[str, Any]]], named: Mapping[str, tuple[str, dict[str, Any]]]
) -> Iterator[Assertion]:
    """Yield what is said about vulnerabilities: in which state something is, and that it has one at all."""
    for where, data in found:
        kind = _type(data)
        relation = text(data, "relationshipType", where) if kind == "Relationship" else ""
        if kind in _STATES:
            ends = _strings(data, "from", where), _strings(data, "to", where)
            detail = text(data, "security_impactStatement", where) or text(data, "security_statusNotes", where)
        elif relation == "hasAssociatedVulnerability":
            ends, detail = (_strings(data, "to", where), _strings(data, "from", where)), ""
        else:
            continue
        for reference in ends[0]:
            names = _vulnerability_names(named.get(reference))
            yield Assertion(
                id=names[0] if names else reference,
                aliases=tuple(names[1:]),
                state=_STATES.get(kind, ""),
                detail=detail,
                refs=tuple(ends[1]),
                where=where,
            )


def _vulnerability_names(element: tuple[str, dict[str, Any]] | None) -> list[str]:
    if element is None:
        return []
    where, data = element
    items = tables(data.get("externalIdentifier"), f"{where}.externalIdentifier")
    names = [text(item, "identifier", where) for item in items] + [text(data, "name", where)]
    return list(dict.fromkeys(name for name in names if name))


def _beside(document: dict[str, Any], found: list[tuple[str, dict[str, Any]]]) -> Iterator[tuple[str, int]]:
    documents = [data.get("import") for _, data in found if _type(data) == "SpdxDocument"]
    outside = sum(len(value) for value in documents if isinstance(value, list))
    if outside:
        yield "elements of other documents", outside
    if "@graph" in document:
        hardware = sum(_type(data).startswith("hardware_") for _, data in found)
        if hardware:
            yield "devices", hardware
