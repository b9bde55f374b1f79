"""Whether a bill of materials names the files of an audited model, by their digests."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from weighlock.audit.facts import BomFacts
from weighlock.errors import FormatError, OverBudgetError, UnsupportedError
from weighlock.files import read_regular
from weighlock.formats import bill
from weighlock.formats.inventory import LARGEST

if TYPE_CHECKING:
    from pathlib import Path

    from weighlock.audit.facts import Facts

BOM = "models.cdx.json"
"""Beside the lockfile."""


def bom_of(facts: Facts, named: Path | None, folder: Path) -> BomFacts | None:
    """Compare a CycloneDX or SPDX document with the locked files.

    Args:
        facts: With the files.
        named: The document that a person named.
        folder: Of the lockfile, where it lies otherwise.
    """
    path = named or folder / BOM
    if named is None and not os.path.lexists(path):
        return None
    try:
        data = read_regular(path, LARGEST + 1)
    except OSError as error:
        return BomFacts(place=str(path), digest="", problem=f"it cannot be read: {error.strerror}")
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    try:
        inventory = bill.parse(data)
    except (FormatError, OverBudgetError, UnsupportedError) as error:
        why = f"{error.where} {error.message}" if error.where else error.message
        return BomFacts(place=str(path), digest=digest, problem=why)
    listed = {value for one in inventory.components for value in (*one.sha256, *one.files_sha256)}
    missing = tuple(file.path for file in facts.locked if file.sha256 not in listed)
    return BomFacts(place=str(path), digest=digest, missing=missing)
