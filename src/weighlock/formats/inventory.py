"""What bills of materials of every form have in common: the components that they list, and how their text is read.

A bill is believed in one direction only: what it lists is judged. That something is not listed, not affected or not
vulnerable makes nothing clean.

Source:
    RFC 8259; CycloneDX 1.2 to 1.7, SPDX 2.2 to 3.0.1 for the words.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weighlock.errors import FormatError, OverBudgetError
from weighlock.formats import json_text, purl
from weighlock.formats.json_text import JsonObject
from weighlock.formats.source import Budget, BytesSource

if TYPE_CHECKING:
    from weighlock.formats.purl import Purl

LARGEST = json_text.LARGEST
"""Bytes; the bill of a large container image has some 30 MB."""

MOST_COMPONENTS = 100_000
_DEEPEST = 64
_LONGEST_NAME = 200
_Trail = tuple[Any, "int | str"] | None

PACKAGE, MODEL, DATA, FILE, CONTEXT = "package", "model", "data", "file", "context"
"""What a component is: software, weights, a dataset, a plain file, or something around them such as a device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One thing that a bill lists.

    Args:
        name: As written.
        version: As written; `None` where there is none.
        kind: One of `PACKAGE`, `MODEL`, `DATA`, `FILE` and `CONTEXT`.
        word: What the bill calls that, such as ``operating-system``.
        purls: Every package URL that it has and that can be read.
        problem: Why a package URL cannot be read, in one sentence without a full stop.
        where: Its path in the document, such as ``components[3]``.
        ref: What other parts of the document call it.
        sha256: Digests of the thing itself, in lower case.
        files_sha256: Digests of the files that it was or would be installed from.
        algorithms: Of every digest that it has, such as ``SHA-1``.
        subject: The document is about it.
        parent: Path of the component that it lies in; empty where it lies in none.
        ancestor: Something was made from it, and it is no part of what is described.
        properties: Names and values that are no part of the format.
    """

    name: str
    version: str | None = None
    kind: str = PACKAGE
    word: str = "library"
    purls: tuple[Purl, ...] = ()
    problem: str | None = None
    where: str
    ref: str = ""
    sha256: tuple[str, ...] = ()
    files_sha256: tuple[str, ...] = ()
    algorithms: tuple[str, ...] = ()
    subject: bool = False
    parent: str = ""
    ancestor: bool = False
    properties: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """What a bill says about a vulnerability.

    Args:
        id: Such as a CVE.
        aliases: Its other names.
        severity: The gravest that is given, in lower case; empty where none is.
        state: Such as ``not_affected``; empty where the bill only names the vulnerability.
        detail: Why, in the words of the bill.
        refs: Of the components that it is about.
        where: Its path in the document.
    """

    id: str
    aliases: tuple[str, ...] = ()
    severity: str = ""
    state: str = ""
    detail: str = ""
    refs: tuple[str, ...] = ()
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """Everything in a bill of materials that is judged.

    Args:
        form: ``CycloneDX`` or ``SPDX``.
        version: Of the form.
        components: In the order of the document.
        assertions: About vulnerabilities.
        beside: What the document also names and nobody judges, such as services, with how many there are.
        incomplete: The document says so of itself.
    """

    form: str
    version: str
    components: tuple[Component, ...] = ()
    assertions: tuple[Assertion, ...] = ()
    beside: tuple[tuple[str, int], ...] = ()
    incomplete: bool = False


def load(data: bytes) -> dict[str, Any]:
    """Return the JSON object of a document, in which nothing is said twice.

    Raises:
        FormatError: It is no JSON object, or a name is repeated in an object; `where` is its path.
        OverBudgetError: It is too large or nested too deeply.

    Source:
        RFC 8259, section 4: readers differ in which of two members with one name they take.
    """
    value = _plain(json_text.parse(BytesSource(data), Budget()), None, 0)
    if not isinstance(value, dict):
        raise FormatError("is no bill of materials: it is no JSON object")
    return value


def _plain(value: object, trail: _Trail, depth: int) -> Any:
    if depth > _DEEPEST:
        raise OverBudgetError("is nested too deeply", where=_path(trail))
    if isinstance(value, JsonObject):
        made: dict[str, Any] = {}
        for key, item in value:
            if key in made:
                why = "stands there twice, and readers differ in which one counts"
                raise FormatError(why, where=_path((trail, key)))
            made[key] = _plain(item, (trail, key), depth + 1)
        return made
    if isinstance(value, list):
        return [_plain(item, (trail, index), depth + 1) for index, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise FormatError("is no number of JSON", where=_path(trail))
    return value


def _path(trail: _Trail) -> str:
    """Return the path of a value, which nobody needs before something is wrong with it."""
    path = ""
    while trail is not None:
        trail, last = trail
        path = (f"[{last}]" if isinstance(last, int) else f".{last[:_LONGEST_NAME]}") + path
    return path.removeprefix(".")


def table(value: Any, where: str) -> dict[str, Any]:
    """Return an object."""
    if not isinstance(value, dict):
        raise FormatError("must be an object", where=where)
    return value


def tables(value: Any, where: str) -> list[dict[str, Any]]:
    """Return a list of objects; what is absent is an empty one."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise FormatError("must be a list", where=where)
    if len(value) > MOST_COMPONENTS:
        raise OverBudgetError(f"lists more than {MOST_COMPONENTS}", where=where)
    return [table(item, f"{where}[{index}]") for index, item in enumerate(value)]


def text(data: dict[str, Any], key: str, where: str) -> str:
    """Return a string; what is absent or `null` is an empty one."""
    value = data.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise FormatError("must be a string", where=f"{where}.{key}".removeprefix("."))
    return value


def required(data: dict[str, Any], key: str, where: str) -> str:
    """Return a string that has to be there and to say something."""
    value = text(data, key, where)
    if not value.strip():
        raise FormatError("is not there", where=f"{where}.{key}".removeprefix("."))
    return value


def purl_of(value: str) -> tuple[tuple[Purl, ...], str | None]:
    """Return what a package URL says, or why it cannot be read."""
    try:
        return (purl.parse(value),), None
    except FormatError as error:
        return (), f"its package URL {value[:_LONGEST_NAME]!r} {error.message}"
