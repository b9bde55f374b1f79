from __future__ import annotations

import itertools
import random

import pytest

from weighlock.advisory import Severity
from weighlock.errors import FormatError
from weighlock.formats.cvss import base_score, severity

TWO = {"AV": "LAN", "AC": "HML", "Au": "MSN", "C": "NPC", "I": "NPC", "A": "NPC"}
THREE = {"AV": "NALP", "AC": "LH", "PR": "NLH", "UI": "NR", "S": "UC", "C": "HLN", "I": "HLN", "A": "HLN"}
FOUR = {"AV": "NALP", "AC": "LH", "AT": "NP", "PR": "NLH", "UI": "NPA"} | dict.fromkeys(
    ("VC", "VI", "VA", "SC", "SI", "SA"), "HLN"
)


def _vectors(prefix: str, metrics: dict[str, str]) -> list[str]:
    return [
        prefix + "/".join(f"{name}:{value}" for name, value in zip(metrics, values, strict=True))
        for values in itertools.product(*metrics.values())
    ]


@pytest.mark.parametrize(
    ("vector", "score", "word"),
    [
        ("AV:N/AC:L/Au:N/C:C/I:C/A:C", 10.0, Severity.HIGH),
        ("(AV:N/AC:L/Au:N/C:P/I:N/A:N)", 5.0, Severity.MEDIUM),
        ("AV:L/AC:H/Au:M/C:N/I:N/A:P/E:U", 0.8, Severity.LOW),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8, Severity.CRITICAL),
        ("CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 10.0, Severity.CRITICAL),
        ("CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:N/A:N", 5.5, Severity.MEDIUM),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0.0, Severity.INFO),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", 9.3, Severity.CRITICAL),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H", 10.0, Severity.CRITICAL),
        ("CVSS:4.0/AV:P/AC:H/AT:P/PR:H/UI:A/VC:N/VI:N/VA:L/SC:N/SI:N/SA:N", 1.0, Severity.LOW),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:N/SC:N/SI:N/SA:N", 0.0, Severity.INFO),
    ],
)
def test_scores_are_those_of_the_specifications(vector, score, word):
    assert (base_score(vector), severity(vector)) == (score, word)


@pytest.mark.parametrize(
    "vector",
    [
        "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/E:U/RL:O/RC:U/MC:N/MI:N/MA:N",
        "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N/E:U/MVC:N/MVI:N/MVA:N",
    ],
)
def test_metrics_of_a_moment_do_not_make_it_look_harmless(vector):
    assert severity(vector) is Severity.CRITICAL


@pytest.mark.parametrize(
    "vector",
    [
        "",
        "9.8",
        "high",
        "CVSS:5.0/AV:N",
        "CVSS:3.1",
        "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H",
        "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:X",
        "CVSS:3.1/AV:N/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
        "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/",
        "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N",
        "CVSS:4.0/AV:NA/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N",
        "CVSS:3.1/AV:N/" * 1000,
    ],
)
def test_a_vector_that_is_none_is_an_error_and_no_low_score(vector):
    with pytest.raises(FormatError):
        severity(vector)


def test_every_vector_of_version_2_and_3_scores_as_in_another_implementation():
    other = pytest.importorskip("cvss")
    for vector in _vectors("", TWO):
        assert base_score(vector) == float(other.CVSS2(vector).scores()[0]), vector
    some = random.Random(3)
    for prefix in ("CVSS:3.0/", "CVSS:3.1/"):
        for vector in some.sample(_vectors(prefix, THREE), 1500):
            assert base_score(vector) == float(other.CVSS3(vector).scores()[0]), vector


def test_vectors_of_every_set_of_version_4_score_as_in_another_implementation():
    other = pytest.importorskip("cvss")
    some = random.Random(4)
    vectors, sets = _vectors("CVSS:4.0/", FOUR), set[str]()
    worst = [vector for vector in vectors if "/AV:N/AC:L/AT:N/PR:N/UI:N/" in vector]
    for vector in [*some.sample(vectors, 1500), *some.sample(worst, 300)]:
        theirs = other.CVSS4(vector)
        sets.add(theirs.macroVector())
        assert base_score(vector) == float(theirs.base_score), vector
    assert len(sets) == 36
