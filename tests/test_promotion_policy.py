"""The policy about promotion: names that mean two things, and stages that take too little."""

from __future__ import annotations

import pytest

from weighlock.errors import PolicyError
from weighlock.promotion_policy import PromotionPolicy, folded


@pytest.mark.parametrize(
    "name", ["production", "Production", "PRODUCTION", " production ", "\uff50roduction", "Champion", "prod"]
)
def test_a_stage_is_found_however_its_name_is_written(name):
    stage = PromotionPolicy().stage(name)
    assert stage is not None
    assert stage.name == "production"


@pytest.mark.parametrize("name", ["candidate", "productions", "", "prod uction"])
def test_another_name_is_no_stage_and_is_not_open_unless_the_policy_says_so(name):
    policy = PromotionPolicy()
    assert policy.stage(name) is None
    assert not policy.is_open(name)


def test_names_are_folded_for_good():
    for name in ("\ufb01ne", "Straße", "\u0130stanbul", "\u2168", "\u017ftaging"):
        assert folded(folded(name)) == folded(name)


def test_an_open_name_cannot_be_that_of_a_stage_in_other_letters():
    with pytest.raises(PolicyError, match="stands in"):
        PromotionPolicy.from_dict({"open-names": ["PROD"]})


@pytest.mark.parametrize(
    ("stage", "why"),
    [
        ({"name": "x", "require": ["lock"]}, "scan"),
        ({"name": "x", "require": ["lock", "scan", "approval"]}, "without a signature"),
        ({"name": "x", "after": "x"}, "no stage"),
        ({"name": "x", "require": ["lock", "scan", "luck"]}, "one of"),
    ],
)
def test_a_stage_that_takes_too_little_or_makes_no_sense_is_refused(stage, why):
    with pytest.raises(PolicyError, match=why):
        PromotionPolicy.from_dict({"stages": [stage]})


def test_the_requirements_of_a_stage_hold_those_of_the_stages_before_it():
    policy = PromotionPolicy()
    stage = policy.stages[1]
    assert [one["name"] for one in policy.requirements(stage)["stages"]] == ["production", "staging"]
