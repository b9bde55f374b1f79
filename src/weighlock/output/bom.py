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
    wrong = len(bom.vulnerabilities)
    counted = [(models, "model"), (packages, "package"), (datasets, "dataset"), (files, "file")]
    counts = [f"{count} {word}{'' if count == 1 else 's'}" for count, word in counted]
    counts.append(f"{wrong} {'vulnerability' if wrong == 1 else 'vulnerabilities'}")
    if packages and (UNKNOWN, "advisories") in bom.properties:
        counts[-1] += " of files alone, as advisories about packages are not known"
    lines = [f"{bom.subject.name}: {', '.join(counts)}"]
    for one in bom.every(MODEL):
        card = next(iter(one.every("weighlock:card")), "")
        missing = ", ".join(one.every(UNKNOWN))
        lines.append(f"{one.name}: card {card}" + (f"; not known: {missing}" if missing else ""))
    return "\n".join(map(printable, lines)) + "\n"
