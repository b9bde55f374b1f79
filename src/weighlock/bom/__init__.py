"""The bill of materials: which packages, models, datasets and files there are, with all that is known of each.

`Bom` and its parts are values without a form; `to_cyclonedx` writes one as a CycloneDX document.
"""

from weighlock.bom.cyclonedx import SPEC_VERSIONS, to_cyclonedx
from weighlock.bom.values import (
    Analysis,
    Bom,
    Component,
    License,
    Metric,
    ModelCard,
    Reference,
    Vulnerability,
)

__all__ = [
    "SPEC_VERSIONS",
    "Analysis",
    "Bom",
    "Component",
    "License",
    "Metric",
    "ModelCard",
    "Reference",
    "Vulnerability",
    "to_cyclonedx",
]
