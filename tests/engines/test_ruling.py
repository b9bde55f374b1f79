"""Whatever bytes an engine hands in: one shape allows, and everything else is an error or a denial."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighlock.engines.ruling import LARGEST, parse_strictly, ruling
from weighlock.errors import EngineError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["allow", "reasons", "required", "passed", "remedy", "Allow", "deny", ""])


@given(st.dictionaries(KEYS, VALUES | st.booleans() | st.builds(list) | st.lists(st.sampled_from("ab")), max_size=5))
def test_only_the_one_shape_allows(value):
    try:
        decided = ruling(value)
    except EngineError:
        return
    assert set(value) <= {"allow", "reasons", "required", "passed", "remedy"}
    if decided.allow:
        assert value["allow"] is True
        assert value["reasons"] == []
        assert not decided.reasons
        assert ("required" in value) is ("passed" in value)
        if "required" in value:
            assert value["required"]
            assert set(value["required"]) <= set(value["passed"])
    else:
        assert value["allow"] is False
        assert decided.reasons


@given(VALUES)
def test_what_is_no_object_is_no_decision(value):
    if not isinstance(value, dict):
        with pytest.raises(EngineError):
            ruling(value)


@given(st.binary(max_size=60))
def test_bytes_that_are_no_json_are_an_error_of_the_engine(data):
    try:
        value = parse_strictly(data)
    except EngineError:
        return
    assert value == json.loads(data)


@pytest.mark.parametrize(
    "data", [b'{"a": 1, "a": 1}', b"NaN", b"[Infinity]", b"[" * 100_000, b'"' + b"x" * LARGEST + b'"', b"1" * 5000]
)
def test_what_two_readers_would_read_differently(data):
    with pytest.raises(EngineError):
        parse_strictly(data)


def test_what_a_policy_says_about_a_denial_is_cut():
    decided = ruling({"allow": False, "reasons": ["x" * 5000] * 500, "remedy": "y" * 5000})
    assert len(decided.reasons) == 100
    assert {len(text) for text in (*decided.reasons, decided.remedy)} == {1000}
