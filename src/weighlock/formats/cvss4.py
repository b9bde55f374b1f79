"""The base score of CVSS 4.0, which a table of sets of vectors gives, and a distance within the set.

Threat and environmental metrics are not read, so that of the six equivalence classes the fifth (exploit maturity) is
always the worst, the fourth has no safety impact, and the sixth follows from the third: 60 of the 270 sets are left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_VALUES = {
    "AV": "NALP",
    "AC": "LH",
    "AT": "NP",
    "PR": "NLH",
    "UI": "NPA",
    "VC": "HLN",
    "VI": "HLN",
    "VA": "HLN",
    "SC": "HLN",
    "SI": "HLN",
    "SA": "HLN",
}
"""Of every metric its values, the worst first: a step to the right is a distance of 0.1."""

_IMPACTS = ((0, 0), (0, 1), (1, 0), (1, 1), (2, 1))
"""Classes 3 and 6, which count as one."""

# Scores of the sets, FIRST, CVSS v4.0 specification 8.3, in tenths. One row for each pair of classes 1 and 2; in it,
# for each of `_IMPACTS`, class 4 = 1 and class 4 = 2; class 5 is 0.
_SCORES = {
    (0, 0): (100, 93, 96, 90, 93, 88, 92, 80, 79, 69),
    (0, 1): (95, 92, 91, 81, 92, 84, 82, 70, 71, 63),
    (1, 0): (94, 87, 89, 75, 86, 72, 76, 57, 65, 53),
    (1, 1): (90, 77, 77, 66, 74, 61, 59, 52, 58, 23),
    (2, 0): (86, 70, 74, 54, 72, 53, 57, 36, 47, 24),
    (2, 1): (73, 54, 55, 43, 61, 46, 51, 18, 24, 10),
}

# The worst vectors of every class (table 30 of the specification) and how deep it is, in steps.
_WORST_1 = (("NNN",), ("ANN", "NLN", "NNP"), ("PNN", "ALP"))  # AV PR UI
_WORST_2 = (("LN",), ("HN", "LP"))  # AC AT
_WORST_3 = (("HHH",), ("LHH", "HLH"), ("LLL",))  # VC VI VA
_WORST_4 = ((), ("HHH",), ("LLL",))  # SC SI SA
_DEPTH_1 = (1, 4, 5)
_DEPTH_2 = (1, 2)
_DEPTH_3 = (7, 8, 10)
_DEPTH_4 = (6, 5, 4)

_Set = tuple[int, int, int, int, int]


def base_score(metrics: Mapping[str, str]) -> float:
    """Return the base score, 0.0 to 10.0.

    Args:
        metrics: Values by metric; all of the base metrics, and any others.

    Raises:
        FormatError: A base metric is missing or has a value that is not known.

    Source:
        FIRST, CVSS v4.0 specification 8.
    """
    for name, values in _VALUES.items():
        if len(metrics.get(name, "")) != 1 or metrics[name] not in values:
            raise FormatError(f"the CVSS vector has no metric {name} that is known")
    if all(metrics[name] == "N" for name in ("VC", "VI", "VA", "SC", "SI", "SA")):
        return 0.0
    where = _set(metrics)
    score = _score(where)
    if score is None:
        raise FormatError("the CVSS vector belongs to no set")
    steps = _steps(metrics, where)
    # Class 5 is at its worst vector, so it adds nothing, but it has a lower neighbour and counts for the mean.
    drops = [0.0]
    for lower, step, depth in zip(_lower(where), steps, _depths(where), strict=True):
        if lower is not None:
            drops.append((score - lower) * step / depth)
    return round((score - sum(drops) / len(drops)) / 10 + 1e-9, 1)


def _set(metrics: Mapping[str, str]) -> _Set:
    """Return the classes 1, 2, 3, 6 and 4."""
    network, anyone, alone = metrics["AV"] == "N", metrics["PR"] == "N", metrics["UI"] == "N"
    first = 0 if network and anyone and alone else 1 if (network or anyone or alone) and metrics["AV"] != "P" else 2
    second = 0 if metrics["AC"] == "L" and metrics["AT"] == "N" else 1
    secret, whole, there = (metrics[name] == "H" for name in ("VC", "VI", "VA"))
    third = 0 if secret and whole else 1 if secret or whole or there else 2
    sixth = 0 if secret or whole or there else 1
    fourth = 1 if "H" in (metrics["SC"], metrics["SI"], metrics["SA"]) else 2
    return first, second, third, sixth, fourth


def _score(where: _Set) -> int | None:
    first, second, third, sixth, fourth = where
    row = _SCORES.get((first, second))
    if row is None or (third, sixth) not in _IMPACTS or fourth > 2:
        return None
    return row[2 * _IMPACTS.index((third, sixth)) + fourth - 1]


def _lower(where: _Set) -> Iterator[int | None]:
    """Yield the score of the next lower set for each of classes 1, 2, 3 with 6, and 4."""
    first, second, third, sixth, fourth = where
    yield _score((first + 1, second, third, sixth, fourth))
    yield _score((first, second + 1, third, sixth, fourth))
    sides = [_score((first, second, third + 1, sixth, fourth)), _score((first, second, third, sixth + 1, fourth))]
    yield max((side for side in sides if side is not None), default=None)
    yield _score((first, second, third, sixth, fourth + 1))


def _depths(where: _Set) -> tuple[int, int, int, int]:
    first, second, third, _, fourth = where
    return _DEPTH_1[first], _DEPTH_2[second], _DEPTH_3[third], _DEPTH_4[fourth]


def _steps(metrics: Mapping[str, str], where: _Set) -> tuple[int, int, int, int]:
    """Return how far it is from the worst vector of each class that it lies below."""
    first, second, third, _, fourth = where
    return (
        _distance(metrics, ("AV", "PR", "UI"), _WORST_1[first]),
        _distance(metrics, ("AC", "AT"), _WORST_2[second]),
        _distance(metrics, ("VC", "VI", "VA"), _WORST_3[third]),
        _distance(metrics, ("SC", "SI", "SA"), _WORST_4[fourth]),
    )


def _distance(metrics: Mapping[str, str], names: tuple[str, ...], worst: tuple[str, ...]) -> int:
    for vector in worst:
        steps = [
            _VALUES[name].index(metrics[name]) - _VALUES[name].index(value)
            for name, value in zip(names, vector, strict=True)
        ]
        if all(step >= 0 for step in steps):
            return sum(steps)
    raise FormatError("the CVSS vector belongs to no set")
