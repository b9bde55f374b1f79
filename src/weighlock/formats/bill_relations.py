"""What a bill of materials says about what was made from what, and what needs what.

Unlike the components themselves, nobody is judged by these: whoever looks for what is affected follows them, in the
direction in which more is affected.

Source:
    CycloneDX 1.2 to 1.7 (``pedigree.ancestors``, ``dependencies``); SPDX 2.3, clause 11 (``DESCENDANT_OF``,
    ``DEPENDS_ON`` and their reverses); SPDX 3.0.1 (``descendantOf``, ``dependsOn``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weighlock.errors import OverBudgetError
from weighlock.formats.inventory import MOST_COMPONENTS, purl_of, table, tables, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighlock.formats.purl import Purl

ANCESTOR, NEEDS = "ancestor", "needs"

_MOST = 4 * MOST_COMPONENTS
_OF_SPDX = {
    "DESCENDANT_OF": (ANCESTOR, False),
    "GENERATED_FROM": (ANCESTOR, False),
    "ANCESTOR_OF": (ANCESTOR, True),
    "GENERATES": (ANCESTOR, True),
    "DEPENDS_ON": (NEEDS, False),
    "DEPENDENCY_OF": (NEEDS, True),
    "descendantOf": (ANCESTOR, False),
    "ancestorOf": (ANCESTOR, True),
    "dependsOn": (NEEDS, False),
}
"""What a relationship says, and whether it is read from its end to its beginning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """Something was made from something, or needs it.

    Args:
        kind: `ANCESTOR` or `NEEDS`.
        child: What was made or needs: the name that it has in the document, else its path there.
        base: What it was made from or needs, by the name that it has in the document; empty where it has none.
        name: The same for people, where the document describes it in this place alone.
        purls: The same.
        sha256: Its digests, in lower case.
    """

    kind: str
    child: str
    base: str = ""
    name: str = ""
    purls: tuple[Purl, ...] = ()
    sha256: tuple[str, ...] = ()


def relations_of(document: dict[str, Any]) -> tuple[Relation, ...]:
    """Return every relation of a document.

    Args:
        document: As `weighlock.formats.bill.document_of` returns it.

    Raises:
        FormatError: A member is broken; `where` is its path.
        OverBudgetError: There are too many.
    """
    found: list[Relation] = []
    for one in _relations(document):
        found.append(one)
        if len(found) > _MOST:
            raise OverBudgetError(f"has more than {_MOST} relations")
    return tuple(found)


def _relations(document: dict[str, Any]) -> Iterator[Relation]:
    if "bomFormat" in document:
        metadata = document.get("metadata") or {}
        about = table(metadata, "metadata").get("component")
        if about is not None:
            yield from _component(table(about, "metadata.component"), "metadata.component")
        yield from _components(document.get("components"), "components")
        yield from _dependencies(document)
    elif "spdxVersion" in document:
        yield from _spdx2(document)
    else:
        yield from _spdx3(document)


def _components(value: Any, where: str) -> Iterator[Relation]:
    for index, item in enumerate(tables(value, where)):
        yield from _component(item, f"{where}[{index}]")


def _component(data: dict[str, Any], where: str) -> Iterator[Relation]:
    yield from _ancestors(data, text(data, "bom-ref", where) or where, where)
    yield from _components(data.get("components"), f"{where}.components")


def _ancestors(data: dict[str, Any], child: str, where: str) -> Iterator[Relation]:
    """Yield what a component was made from, and of what that was made: all of it is in the component."""
    given = data.get("pedigree")
    pedigree = table({} if given is None else given, f"{where}.pedigree")
    path = f"{where}.pedigree.ancestors"
    for index, item in enumerate(tables(pedigree.get("ancestors"), path)):
        place = f"{path}[{index}]"
        address, group = text(item, "purl", place), text(item, "group", place)
        name = text(item, "name", place)
        yield Relation(
            kind=ANCESTOR,
            child=child,
            base=text(item, "bom-ref", place),
            name=f"{group}/{name}" if group else name,
            purls=purl_of(address)[0] if address else (),
            sha256=tuple(
                text(one, "content", place).lower()
                for one in tables(item.get("hashes"), f"{place}.hashes")
                if text(one, "alg", place) == "SHA-256"
            ),
        )
        yield from _ancestors(item, child, place)


def _dependencies(document: dict[str, Any]) -> Iterator[Relation]:
    for index, item in enumerate(tables(document.get("dependencies"), "dependencies")):
        child = text(item, "ref", f"dependencies[{index}]")
        needs = item.get("dependsOn")
        for base in needs if isinstance(needs, list) else ():
            if isinstance(base, str) and child:
                yield Relation(kind=NEEDS, child=child, base=base)


def _spdx2(document: dict[str, Any]) -> Iterator[Relation]:
    for index, item in enumerate(tables(document.get("relationships"), "relationships")):
        where = f"relationships[{index}]"
        said = _OF_SPDX.get(text(item, "relationshipType", where))
        if said:
            ends = text(item, "spdxElementId", where), text(item, "relatedSpdxElement", where)
            child, base = ends[::-1] if said[1] else ends
            yield Relation(kind=said[0], child=child, base=base)


def _spdx3(document: dict[str, Any]) -> Iterator[Relation]:
    graph = document.get("@graph")
    for item in graph if isinstance(graph, list) else [document]:
        said = _OF_SPDX.get(str(item.get("relationshipType"))) if isinstance(item, dict) else None
        if said is None:
            continue
        start, ends = item.get("from"), item.get("to")
        for end in ends if isinstance(ends, list) else [ends]:
            if isinstance(start, str) and isinstance(end, str):
                child, base = (end, start) if said[1] else (start, end)
                yield Relation(kind=said[0], child=child, base=base)
