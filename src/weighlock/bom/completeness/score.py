"""How complete a bill of materials is: which elements it fills, which it honestly marks as unknown, which are missing.

An element is filled where a reader finds something that says something: no empty text, no ``NOASSERTION``, no
``unknown``. A document says that it does not know by such a word at the place, or by a property ``weighlock:unknown``.
Of several models or datasets, the one that says least counts.

Source:
    ``docs/completeness.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from weighlock.bom.completeness import annex, g7
from weighlock.bom.completeness.documents import described
from weighlock.bom.completeness.element import (
    CYCLONEDX,
    DATASET,
    DOCUMENT,
    MODEL,
    SPDX2,
    SYSTEM,
    Answer,
    Element,
    Scorecard,
    Status,
)
from weighlock.bom.completeness.paths import find, status_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from weighlock.bom.completeness.documents import Described, Thing
    from weighlock.bom.completeness.element import Paths

_ORDER = tuple(Status)
_MOST_PATHS = 3

LISTS = ((g7.NAME, g7.ELEMENTS), (annex.NAME_XI, annex.XI), (annex.NAME_XII, annex.XII))


def score(document: Mapping[str, Any]) -> tuple[Scorecard, ...]:
    """Return how complete a document is, by every list of elements.

    Args:
        document: A bill of materials in CycloneDX or SPDX, as parsed from JSON.
    """
    found = described(document)
    return tuple(
        Scorecard(name=name, answers=tuple(_answer(element, found) for element in elements)) for name, elements in LISTS
    )


def _answer(element: Element, found: Described) -> Answer:
    things = _things(element, found)
    if not things:
        status = Status.UNKNOWN if _nothing_is_known(element, found) else Status.MISSING
        return Answer(element=element, status=status, best=status, things=0)
    seen = [_look(element, thing, found) for thing in things]
    statuses = [status for status, _ in seen]
    return Answer(
        element=element,
        status=min(statuses, key=_ORDER.index),
        best=max(statuses, key=_ORDER.index),
        where=tuple(dict.fromkeys(where for _, places in seen for where in places))[:_MOST_PATHS],
        filled=sum(status is Status.FILLED for status in statuses),
        things=len(things),
    )


def _things(element: Element, found: Described) -> Sequence[Thing]:
    if element.about == DOCUMENT:
        return (found.document,)
    if element.about == SYSTEM:
        return (found.system,) if found.system is not None else ()
    return found.models if element.about == MODEL else found.datasets


def _nothing_is_known(element: Element, found: Described) -> bool:
    """Say whether a document says that it does not know whether there is such a thing."""
    if element.id in found.document.marks:
        return True
    return element.about == DATASET and bool(found.models) and all("datasets" in model.marks for model in found.models)


def _look(element: Element, thing: Thing, found: Described) -> tuple[Status, tuple[str, ...]]:
    """Return what one thing says: of each group of paths something has to be there."""
    seen = [_in_group(group, thing) for group in _groups(element, found.form)]
    status = min((status for status, _ in seen), key=_ORDER.index, default=Status.MISSING)
    places = tuple(where for _, where in seen if where)
    if status is Status.MISSING and _is_marked(element, thing, found):
        status = Status.UNKNOWN
    return status, places


def _groups(element: Element, form: str) -> Sequence[Paths]:
    if form == CYCLONEDX:
        return element.groups
    return (element.spdx2,) if form == SPDX2 else element.spdx3


def _in_group(paths: Paths, thing: Thing) -> tuple[Status, str]:
    best, place = Status.MISSING, ""
    for path in paths:
        for where, value in find(thing.value, path, thing.where):
            status = status_of(value)
            if status is Status.FILLED:
                return status, where
            if status is Status.UNKNOWN and best is Status.MISSING:
                best, place = status, where
    return best, place


def _is_marked(element: Element, thing: Thing, found: Described) -> bool:
    """Say whether a thing, or the document, says that it does not know.

    What a bill says of itself only it can mark. What it says of a system can be marked there, or in each of its models.
    """
    words = {element.id, *element.marks}
    if words & thing.marks or element.id in found.document.marks:
        return True
    if element.about != DOCUMENT or element.id.startswith("sbom-"):
        return False
    if found.system is not None and words & found.system.marks:
        return True
    return bool(found.models) and all(words & model.marks for model in found.models)
