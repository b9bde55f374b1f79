"""YAML of strangers: nothing is made, nothing unfolds, and what is too much is refused in time."""

from __future__ import annotations

import pytest

from weighlock.errors import FormatError, OverBudgetError
from weighlock.formats import yaml_text
from weighlock.formats.json_text import JsonObject


def test_values_are_texts_numbers_lists_and_tables():
    text = b"a: 1\nb: [x, 2.5, true, ~]\nc: {d: '1'}\ne: 2024-01-01\nf: yes\n"
    assert yaml_text.parse(text) == [
        ("a", 1),
        ("b", ["x", 2.5, True, None]),
        ("c", [("d", "1")]),
        ("e", "2024-01-01"),
        ("f", "yes"),
    ]


def test_an_alias_is_refused_so_that_nothing_unfolds():
    bomb = b"a: &a [x, x]\n" + b"".join(b"b%d: &b%d [*a, *a]\n" % (n, n) for n in range(9))
    with pytest.raises(FormatError, match="aliases"):
        yaml_text.parse(bomb)


@pytest.mark.parametrize(
    "tag",
    [b"!!python/object/apply:os.system ['true']", b"!!python/name:os.system ''", b"!own {a: 1}", b"!!binary aGk="],
)
def test_a_tag_makes_nothing(tag: bytes):
    value = yaml_text.parse(b"a: " + tag)
    assert isinstance(value, JsonObject)
    assert isinstance(value[0][1], str | list)


@pytest.mark.parametrize("opening", [b"[", b"{a: ", b"- "])
def test_deep_nesting_ends_early(opening: bytes):
    with pytest.raises((OverBudgetError, FormatError)):
        yaml_text.parse(b"a:\n  " + opening * 100_000)


def test_too_many_values_end_early():
    with pytest.raises(OverBudgetError, match="more values"):
        yaml_text.parse(b"[" + b"a," * 400_000 + b"]")


def test_a_text_that_is_too_large_is_not_read():
    with pytest.raises(OverBudgetError, match="larger"):
        yaml_text.parse(b"a: " + b"x" * (yaml_text.LARGEST + 1))


@pytest.mark.parametrize(
    "data",
    [b"a: \x00", b"a: \x1b[31m", b"a: '\xff'", b"a: [", b"a: b: c", b"--- a\n--- b\n", b"%YAML 9.9\n---\na", b"\t- a"],
)
def test_what_is_no_yaml_is_an_error_of_one_line(data: bytes):
    with pytest.raises(FormatError) as caught:
        yaml_text.parse(data)
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 300


def test_a_repeated_key_is_kept_twice():
    value = yaml_text.parse(b"a: 1\na: 2\n")
    assert isinstance(value, JsonObject)
    assert value.every("a") == [1, 2]


@pytest.mark.parametrize("number", ["9" * 5000, "1e999999999", "0x" + "f" * 5000, "1:2:3", "+.inf", "1_000"])
def test_a_number_that_is_none_stays_a_text(number: str):
    assert yaml_text.parse(f"a: {number}".encode()) == [("a", number)]


def test_a_key_of_any_type_is_a_text():
    assert yaml_text.parse(b"{1: a, true: b, ~: c, [x]: d}") == [("1", "a"), ("true", "b"), ("null", "c"), ("?", "d")]


def test_an_empty_text_says_nothing():
    assert yaml_text.parse(b"") is None
    assert yaml_text.parse(b"# nothing\n") is None
