"""Bills of materials: the document, and what a person reads about it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from weighlock.bom import to_cyclonedx
from weighlock.bom.spdx import to_spdx
from weighlock.bom.values import DATASET, MODEL, PACKAGE, UNKNOWN
from weighlock.output.escape import printable

if TYPE_CHECKING:
    from weighlock.bom.values import Bom


def cyclonedx(bom: Bom, version: str) -> str:
    """Return the text of a CycloneDX document, the same for the same value."""
    return json.dumps(to_cyclonedx(bom, version), indent=2, ensure_ascii=False) + "\n"


def spdx(bom: Bom) -> str:
    """Return the text of an SPDX 3.0.1 document, the same for the same value."""
    return json.dumps(to_spdx(bom), indent=2, ensure_ascii=False) + "\n"


def summary(bom: Bom) -> str:
    """Return what is in it, for people."""
    models, packages, datasets = (len(bom.every(kind)) for kind in (MODEL, PACKAGE, DATASET))
    files = sum(1 for one in bom.components for part in one.walk() if part is not one)
    counts = f"{models} models, {packages} packages, {datasets} datasets, {files} files"
    lines = [f"{bom.subject.name}: {counts}, {len(bom.vulnerabilities)} vulnerabilities"]
    for one in bom.every(MODEL):
        card = next(iter(one.every("weighlock:card")), "")
        missing = ", ".join(one.every(UNKNOWN))
        lines.append(f"{one.name}: card {card}" + (f"; not known: {missing}" if missing else ""))
    return "\n".join(map(printable, lines)) + "\n"
