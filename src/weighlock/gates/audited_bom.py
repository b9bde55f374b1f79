"""Whether a bill of materials names the files of an audited model, by their digests."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from weighlock.audit.facts import BomFacts
from weighlock.errors import FormatError, OverBudgetError
from weighlock.files import read_regular
from weighlock.formats.json_text import JsonObject, parse
from weighlock.formats.source import Budget, BytesSource

if TYPE_CHECKING:
    from pathlib import Path

    from weighlock.audit.facts import Facts

BOM = "models.cdx.json"
"""Beside the lockfile."""

_LARGEST = 64 << 20
_ALGORITHMS = frozenset({"SHA-256", "sha256", "SHA256"})


def bom_of(facts: Facts, named: Path | None, folder: Path) -> BomFacts | None:
    """Compare a CycloneDX document with the locked files.

    Args:
        facts: With the files.
        named: The document that a person named.
        folder: Of the lockfile, where it lies otherwise.
    """
    path = named or folder / BOM
    if named is None and not os.path.lexists(path):
        return None
    try:
        data = read_regular(path, _LARGEST + 1)
    except OSError as error:
        return BomFacts(place=str(path), digest="", problem=f"it cannot be read: {error.strerror}")
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    try:
        document = parse(BytesSource(data), Budget())
    except (FormatError, OverBudgetError) as error:
        return BomFacts(place=str(path), digest=digest, problem=error.message)
    if not isinstance(document, JsonObject) or document.every("bomFormat") != ["CycloneDX"]:
        return BomFacts(place=str(path), digest=digest, problem="it is no CycloneDX document")
    named_digests = _digests(document)
    missing = tuple(file.path for file in facts.locked if file.sha256 not in named_digests)
    return BomFacts(place=str(path), digest=digest, missing=missing)


def _digests(document: JsonObject) -> frozenset[str]:
    """Return every SHA-256 that any component has, however deep it is nested."""
    found, waiting = set[str](), list[object]([document])
    while waiting:
        value = waiting.pop()
        if isinstance(value, JsonObject):
            if any(isinstance(name, str) and name in _ALGORITHMS for name in value.every("alg")):
                found.update(text.lower() for text in value.every("content") if isinstance(text, str))
            waiting += [inner for _, inner in value]
        elif isinstance(value, list):
            waiting += value
    return frozenset(found)
