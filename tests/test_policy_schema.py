"""The schema and the parser say the same about every policy."""

from __future__ import annotations

import copy
import json
import random
from datetime import date
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policies import FULL, IDENTITY, KEY
from weighlock.allowlist import PROFILES
from weighlock.errors import PolicyError
from weighlock.gates.policy_files import known_checks
from weighlock.policy import Policy
from weighlock.policy_rules import KEYS
from weighlock.policy_schema import schema
from weighlock.promotion_policy import folded

CHECKS = known_checks()
SCHEMA = schema(profiles=PROFILES, checks=CHECKS)

# TOML tells 1.0 from 1, and so does the parser; JSON does not.
_TYPES = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
    "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
)
VALIDATOR = jsonschema.validators.extend(jsonschema.Draft202012Validator, type_checker=_TYPES)(SCHEMA)

JUNK: list[Any] = [
    "", " ", "\n", "x", "X", "main", "enforce", "Enforce", "enforce\n", "3 days", "3 days\n", "3  days",
    "٣ days",
    "1234567 days", "high", "HIGH", "unknown", "2027-01-31", "2027-02-29", "2028-02-29", "20270131", "2027-W01-1",
    "0000-01-01", "0001-01-01", "2100-02-29", "2000-02-29", "2027-01-31T00:00:00", "gantry==1==2", "-x", "x-", "==1",
    " a ",
    "http://a", "http:///", "https://a/", "https://u@h", "ftp://a", "http://a?b", "data.a", "data", "data.a-b",
    "data.a\n",
    "0 seconds", "0.0 s", "00.001 s", "12345 s", "2 seconds ", "_A", "9A", "startup-files", "advisory",
    "malware-report",
    0, 1, 2, 100, 101, -1, 1.0, 0.5, True, False, [], ["a"], [""], [1], [[]], [{}], {}, {"a": "b"}, {"a": {}}, {"a": 1},
    {"key": "x"}, KEY, IDENTITY, [KEY], [KEY, KEY], {"rego": "a"}, [{"rego": "a", "opa": "http://a"}],
]  # fmt: skip


def _parses(document: dict[str, Any]) -> bool:
    try:
        Policy.from_dict(document, profiles=PROFILES, checks=CHECKS)
    except PolicyError:
        return False
    return True


def _beyond_a_schema(document: dict[str, Any]) -> bool:
    """Say whether a policy breaks one of the three rules that no schema can say."""
    evidence = document.get("evidence", {})
    signers = evidence.get("signers", [])
    names = [signer["name"] for signer in signers]
    short = evidence.get("require-signature", False) and len(signers) < evidence.get("threshold", 1)
    return short or len(set(names)) < len(names) or _stages_are_mixed_up(document.get("promotion", {}))


def _stages_are_mixed_up(promotion: dict[str, Any]) -> bool:
    stages = promotion.get("stages", [{"name": "staging"}, {"name": "production", "names": ["champion", "prod"]}])
    names = [{folded(name) for name in (stage["name"], *stage.get("names", []))} for stage in stages]
    names.append({folded(name) for name in promotion.get("open-names", [])})
    before = [[one["name"] for one in stages[:number]] for number in range(len(stages))]
    lost = any("after" in stage and stage["after"] not in before[number] for number, stage in enumerate(stages))
    return lost or sum(map(len, names)) > len(set().union(*names))


def _agree(document: dict[str, Any]) -> bool:
    valid = VALIDATOR.is_valid(document)
    expected = valid and not _beyond_a_schema(document)
    assert _parses(document) == expected, json.dumps(document, indent=1)
    return valid


def _places(value: Any, path: tuple[Any, ...] = ()):
    yield path
    if isinstance(value, dict | list):
        for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _places(inner, (*path, step))


def _changed(document: Any, path: tuple[Any, ...], value: Any, how: str) -> Any:
    document = copy.deepcopy(document)
    inner = document
    for step in path[:-1]:
        inner = inner[step]
    if how == "replace":
        inner[path[-1]] = value
    elif how == "delete":
        del inner[path[-1]]
    elif isinstance(inner, dict):
        inner[value if isinstance(value, str) else "more"] = inner.pop(path[-1])
    else:
        inner.append(value)
    return document


PLACES = [path for path in _places(FULL) if path]


def test_the_full_policy_says_something_about_every_key_and_passes():
    assert _agree(FULL)
    document = Policy.from_dict(FULL).to_dict()
    for key in KEYS:
        if key.written:
            value: Any = document
            for step in key.path:
                value = value[step]
            assert key.path in PLACES


@pytest.mark.parametrize("junk", JUNK, ids=lambda value: ascii(value)[:30])
def test_every_value_in_every_place_is_judged_alike(junk):
    outcomes = {_agree(_changed(FULL, path, junk, "replace")) for path in PLACES}
    assert False in outcomes


def test_every_key_that_is_left_out_is_judged_alike():
    for path in PLACES:
        _agree(_changed(FULL, path, None, "delete"))


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), depth=st.integers(1, 4))
def test_policies_that_are_changed_in_several_places_are_judged_alike(seed: int, depth: int):
    choose, document = random.Random(seed), FULL
    for _ in range(depth):
        places = [path for path in _places(document) if path]
        if places:
            how = choose.choice(["replace", "replace", "delete", "rename"])
            document = _changed(document, choose.choice(places), choose.choice(JUNK), how)
    _agree(document)


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=12), where=st.sampled_from([p for p in PLACES if isinstance(p[-1], str)]))
def test_texts_of_all_characters_are_judged_alike(text: str, where: tuple[Any, ...]):
    _agree(_changed(FULL, where, text, "replace"))


def test_a_date_of_toml_and_its_text_are_the_same():
    text, day = "2027-06-30", date(2027, 6, 30)
    for value in (text, day):
        row = {"id": "X", "reason": "r", "expires": value}
        assert Policy.from_dict({"install": {"ignore-advisories": [row]}}).install.ignore_advisories[0].expires == day


def _keys_of(node: dict[str, Any], prefix: str = "") -> set[str]:
    found = set()
    for name, inner in node.get("properties", {}).items():
        found |= _keys_of(inner, f"{prefix}{name}.") if "properties" in inner else {f"{prefix}{name}"}
    return found


def _flat(document: dict[str, Any], prefix: str = "") -> set[str]:
    tables = {"install", "evidence", "evidence.ledger", "promotion", "quarantine"}
    found = set()
    for name, value in document.items():
        found |= _flat(value, f"{prefix}{name}.") if f"{prefix}{name}" in tables else {f"{prefix}{name}"}
    return found


def test_the_schema_the_rules_and_the_parser_know_the_same_keys():
    known = {key.name for key in KEYS if key.written}
    assert _keys_of(SCHEMA) == known
    assert _flat(Policy.from_dict(FULL).to_dict()) == known, "a key of the parser without a rule in policy_rules"


def test_every_key_is_described():
    def undescribed(node: Any, path: str) -> list[str]:
        inner = node.get("properties", {}) if isinstance(node, dict) else {}
        missing = [f"{path}.{name}" for name, value in inner.items() if not value.get("description")]
        return missing + [found for name, value in inner.items() for found in undescribed(value, f"{path}.{name}")]

    assert undescribed(SCHEMA, "") == []


def test_defaults_of_the_schema_are_those_of_the_parser():
    document = Policy().to_dict()
    for key in KEYS:
        if key.written and "default" in key.schema:
            value: Any = document
            for step in key.path:
                value = value[step]
            assert value == key.schema["default"], key.name


def test_an_organisations_schema_has_one_key_more():
    organisation = schema(profiles=PROFILES, checks=CHECKS, organisation=True)
    assert organisation["properties"].keys() - SCHEMA["properties"].keys() == {"delegate"}
    validator = jsonschema.Draft202012Validator(organisation)
    assert validator.is_valid({"delegate": ["mode", "models.remote-code"]})
    for names in (["install"], ["Mode"], "mode", [1]):
        assert not validator.is_valid({"delegate": names})


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
