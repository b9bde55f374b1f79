"""CVSS vectors: the base score and how bad it counts, for versions 2.0, 3.0, 3.1 and 4.0.

Threat, temporal, environmental and supplemental metrics are read and make no difference: they speak of a moment or of
somebody else's site, and most of them can only make a vulnerability look smaller.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from weighlock.advisory import Severity
from weighlock.errors import FormatError
from weighlock.formats.cvss4 import base_score as _version_4

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST = 512
"""Characters; the longest vector that has every metric of version 4.0 has fewer than 200."""

_BASE_2 = {
    "AV": {"L": 0.395, "A": 0.646, "N": 1.0},
    "AC": {"H": 0.35, "M": 0.61, "L": 0.71},
    "Au": {"M": 0.45, "S": 0.56, "N": 0.704},
    "C": {"N": 0.0, "P": 0.275, "C": 0.660},
    "I": {"N": 0.0, "P": 0.275, "C": 0.660},
    "A": {"N": 0.0, "P": 0.275, "C": 0.660},
}
_BASE_3 = {
    "AV": {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2},
    "AC": {"L": 0.77, "H": 0.44},
    "PR": {"N": 0.85, "L": 0.62, "H": 0.27},
    "UI": {"N": 0.85, "R": 0.62},
    "S": {"U": 0.0, "C": 1.0},
    "C": {"H": 0.56, "L": 0.22, "N": 0.0},
    "I": {"H": 0.56, "L": 0.22, "N": 0.0},
    "A": {"H": 0.56, "L": 0.22, "N": 0.0},
}
_PRIVILEGES_CHANGED = {"N": 0.85, "L": 0.68, "H": 0.5}


def base_score(vector: str) -> float:
    """Return the base score, 0.0 to 10.0.

    Args:
        vector: Such as ``CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H``; one without a version is one of 2.0.

    Raises:
        FormatError: It is no vector of a version that is known.

    Source:
        FIRST, CVSS v2.0 complete guide 3.2.1, v3.0 and v3.1 specification 7 and appendix A, v4.0 specification 8.
    """
    if len(vector) > LONGEST:
        raise FormatError("it is too long for a CVSS vector")
    version, metrics = _metrics(vector)
    if version == "2.0":
        return _version_2(metrics)
    if version in ("3.0", "3.1"):
        return _version_3(metrics, version)
    if version == "4.0":
        return _version_4(metrics)
    raise FormatError(f"no CVSS version that is known: {version}")


def severity(vector: str) -> Severity:
    """Return how bad a vector says it is; a score of 0.0 is `Severity.INFO`.

    Raises:
        FormatError: It is no vector of a version that is known.

    Source:
        The qualitative severity rating scales of v3.x (5) and v4.0 (6); for v2.0 that of the NVD, which ends at high.
    """
    score = base_score(vector)
    if score >= 9.0 and vector.startswith("CVSS:"):
        return Severity.CRITICAL
    if score >= 7.0:
        return Severity.HIGH
    if score >= 4.0:
        return Severity.MEDIUM
    return Severity.LOW if score > 0.0 else Severity.INFO


def _metrics(vector: str) -> tuple[str, dict[str, str]]:
    version, parts = "2.0", vector.strip().removeprefix("(").removesuffix(")").split("/")
    if parts[0].startswith("CVSS:"):
        version, parts = parts[0].removeprefix("CVSS:"), parts[1:]
    metrics: dict[str, str] = {}
    for part in parts:
        name, colon, value = part.partition(":")
        if not colon or not name or not value or name in metrics:
            raise FormatError("it is no CVSS vector")
        metrics[name] = value
    return version, metrics


def _weights(metrics: Mapping[str, str], table: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    found = {}
    for name, values in table.items():
        weight = values.get(metrics.get(name, ""))
        if weight is None:
            raise FormatError(f"the CVSS vector has no metric {name} that is known")
        found[name] = weight
    return found


def _version_2(metrics: Mapping[str, str]) -> float:
    weight = _weights(metrics, _BASE_2)
    impact = 10.41 * (1 - (1 - weight["C"]) * (1 - weight["I"]) * (1 - weight["A"]))
    exploitability = 20 * weight["AV"] * weight["AC"] * weight["Au"]
    factor = 1.176 if impact else 0.0
    return round((0.6 * impact + 0.4 * exploitability - 1.5) * factor + 1e-9, 1)


def _version_3(metrics: Mapping[str, str], version: str) -> float:
    weight = _weights(metrics, _BASE_3)
    changed = metrics["S"] == "C"
    if changed:
        weight["PR"] = _PRIVILEGES_CHANGED[metrics["PR"]]
    base = 1 - (1 - weight["C"]) * (1 - weight["I"]) * (1 - weight["A"])
    impact = 7.52 * (base - 0.029) - 3.25 * (base - 0.02) ** 15 if changed else 6.42 * base
    if impact <= 0:
        return 0.0
    exploitability = 8.22 * weight["AV"] * weight["AC"] * weight["PR"] * weight["UI"]
    whole = (impact + exploitability) * (1.08 if changed else 1.0)
    return _rounded_up(min(whole, 10.0), version)


def _rounded_up(value: float, version: str) -> float:
    """Round up to one decimal; 3.1 says how, so that binary fractions make no difference."""
    if version == "3.0":
        return math.ceil(round(value * 10, 9)) / 10
    whole = round(value * 100_000)
    return whole / 100_000 if whole % 10_000 == 0 else (whole // 10_000 + 1) / 10
