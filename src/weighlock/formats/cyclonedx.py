"""CycloneDX: a bill of materials as JSON, of any generator.

Source:
    ECMA-424 and the JSON schemas of CycloneDX 1.2 to 1.7 (``components``, ``metadata.component``, ``vulnerabilities``,
    ``services``, ``formulation``).
"""

from __future__ import annotations

import re
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
    from collections.abc import Iterator, Sequence

VERSIONS = ("1.2", "1.3", "1.4", "1.5", "1.6", "1.7")

_KINDS = {
    "application": PACKAGE,
    "framework": PACKAGE,
    "library": PACKAGE,
    "container": PACKAGE,
    "platform": PACKAGE,
    "operating-system": CONTEXT,
    "device": CONTEXT,
    "device-driver": PACKAGE,
    "firmware": PACKAGE,
    "file": FILE,
    "machine-learning-model": MODEL,
    "data": DATA,
    "cryptographic-asset": CONTEXT,
}
_SHA256 = re.compile(r"[0-9a-fA-F]{64}\Z")
_RATINGS = ("critical", "high", "medium", "low", "info", "none", "unknown")


def parse(document: dict[str, Any]) -> Inventory:
    """Return what a document lists, components inside of components included.

    Args:
        document: As `weighlock.formats.inventory.load` returns it.

    Raises:
        FormatError: It is of a version that is not known, or a member is broken; `where` is its path.
        OverBudgetError: It lists too much.
    """
    version = text(document, "specVersion", "")
    if version not in VERSIONS:
        known = f"and {VERSIONS[0]} to {VERSIONS[-1]} are known"
        raise FormatError(f"is {version[:40]!r}, {known}", where="specVersion")
    metadata = document.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise FormatError("must be an object", where="metadata")
    found: list[Component] = []
    if metadata.get("component") is not None:
        found += _walk(tables([metadata["component"]], "metadata.component"), "metadata.component", subject=True)
    found += _walk(tables(document.get("components"), "components"), "components")
    if len(found) > MOST_COMPONENTS:
        raise OverBudgetError(f"lists more than {MOST_COMPONENTS}", where="components")
    vulnerabilities = tables(document.get("vulnerabilities"), "vulnerabilities")
    return Inventory(
        form="CycloneDX",
        version=version,
        components=tuple(found),
        assertions=tuple(_assertion(item, f"vulnerabilities[{n}]") for n, item in enumerate(vulnerabilities)),
        beside=tuple(_beside(document)),
        incomplete=any(
            text(item, "aggregate", f"compositions[{n}]").startswith("incomplete")
            for n, item in enumerate(tables(document.get("compositions"), "compositions"))
        ),
    )


def _walk(listed: Sequence[dict[str, Any]], where: str, *, subject: bool = False) -> Iterator[Component]:
    """Yield components and those inside of them; how deep they lie is bounded by the depth of the document."""
    for index, item in enumerate(listed):
        path = where if subject else f"{where}[{index}]"
        yield _component(item, path, subject=subject)
        inner = f"{path}.components"
        yield from _walk(tables(item.get("components"), inner), inner)


def _component(data: dict[str, Any], where: str, *, subject: bool) -> Component:
    word = required(data, "type", where)
    if word not in _KINDS:
        raise FormatError(f"is {word[:40]!r}, which is no type of a component", where=f"{where}.type")
    group, name = text(data, "group", where), required(data, "name", where)
    address = text(data, "purl", where)
    purls, problem = purl_of(address) if address else ((), None)
    own = _hashes(data.get("hashes"), f"{where}.hashes")
    files = list(_distributed(data, where))
    return Component(
        name=f"{group}/{name}" if group else name,
        version=text(data, "version", where) or None,
        kind=_KINDS[word],
        word=word,
        purls=purls,
        problem=problem,
        where=where,
        ref=text(data, "bom-ref", where),
        sha256=_sha256(own),
        files_sha256=_sha256(files),
        algorithms=tuple(sorted({algorithm for algorithm, _ in own})),
        subject=subject,
        parent=where.rpartition(".components[")[0] if "." in where else "",
        properties=tuple(_properties(data, where)),
    )


def _hashes(value: Any, where: str) -> list[tuple[str, str]]:
    pairs = []
    for index, item in enumerate(tables(value, where)):
        path = f"{where}[{index}]"
        algorithm, content = required(item, "alg", path), required(item, "content", path)
        if algorithm == "SHA-256" and not _SHA256.match(content):
            raise FormatError("must be a SHA-256 digest in hexadecimal", where=f"{path}.content")
        pairs.append((algorithm, content.lower()))
    return pairs


def _distributed(data: dict[str, Any], where: str) -> Iterator[tuple[str, str]]:
    """Yield the digests of the files that a component was or would be installed from."""
    for index, item in enumerate(tables(data.get("externalReferences"), f"{where}.externalReferences")):
        path = f"{where}.externalReferences[{index}]"
        if text(item, "type", path) == "distribution":
            yield from _hashes(item.get("hashes"), f"{path}.hashes")


def _sha256(pairs: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for algorithm, value in pairs if algorithm == "SHA-256"))


def _properties(data: dict[str, Any], where: str) -> Iterator[tuple[str, str]]:
    for index, item in enumerate(tables(data.get("properties"), f"{where}.properties")):
        path = f"{where}.properties[{index}]"
        yield text(item, "name", path), text(item, "value", path)


def _assertion(data: dict[str, Any], where: str) -> Assertion:
    analysis = data.get("analysis") or {}
    if not isinstance(analysis, dict):
        raise FormatError("must be an object", where=f"{where}.analysis")
    state, why = text(analysis, "state", f"{where}.analysis"), text(analysis, "justification", f"{where}.analysis")
    detail = text(analysis, "detail", f"{where}.analysis")
    references = tables(data.get("references"), f"{where}.references")
    affects = tables(data.get("affects"), f"{where}.affects")
    return Assertion(
        id=text(data, "id", where) or "a vulnerability without a name",
        aliases=tuple(sorted({text(item, "id", f"{where}.references") for item in references} - {""})),
        severity=_gravest(tables(data.get("ratings"), f"{where}.ratings"), f"{where}.ratings"),
        state=state,
        detail=": ".join(part for part in (why, detail) if part),
        refs=tuple(text(item, "ref", f"{where}.affects[{index}]") for index, item in enumerate(affects)),
        where=where,
    )


def _gravest(ratings: Sequence[dict[str, Any]], where: str) -> str:
    given = {text(item, "severity", f"{where}[{index}]").lower() for index, item in enumerate(ratings)}
    return next((word for word in _RATINGS if word in given), "")


def _beside(document: dict[str, Any]) -> Iterator[tuple[str, int]]:
    services = tables(document.get("services"), "services")
    if services:
        yield "services", len(services)
    built = sum(
        len(tables(item.get("components"), f"formulation[{index}].components"))
        for index, item in enumerate(tables(document.get("formulation"), "formulation"))
    )
    if built:
        yield "components of a build", built
    unlisted = _depended_on(document) - _named(document)
    if unlisted:
        yield "dependencies that it does not list", len(unlisted)
    others = sum(
        text(item, "type", f"{where}.externalReferences[{index}]") == "bom"
        for where, holder in _holders(document)
        for index, item in enumerate(tables(holder.get("externalReferences"), f"{where}.externalReferences"))
    )
    if others:
        yield "other documents that it refers to", others


def _depended_on(document: dict[str, Any]) -> set[str]:
    """Return what the graph of dependencies names, which may be more than what is listed, and which nobody judges."""
    found = set[str]()
    for index, item in enumerate(tables(document.get("dependencies"), "dependencies")):
        found.add(text(item, "ref", f"dependencies[{index}]"))
        inner = item.get("dependsOn")
        found |= {one for one in inner if isinstance(one, str)} if isinstance(inner, list) else set()
    return found - {""}


def _named(document: dict[str, Any]) -> set[str]:
    """Return the name of everything in a document that has one, whatever it is."""
    found, waiting = set[str](), list[Any]([document])
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict) and isinstance(value.get("bom-ref"), str):
            found.add(value["bom-ref"])
        waiting += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return found


def _holders(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the document and its outermost components, which may refer to documents of their parts."""
    yield "", document
    for index, item in enumerate(tables(document.get("components"), "components")):
        yield f"components[{index}]", item
