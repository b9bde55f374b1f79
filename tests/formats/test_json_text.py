from __future__ import annotations

import json

import pytest

from weighlock.errors import FormatError, OverBudgetError
from weighlock.formats import json_text
from weighlock.formats.json_text import JsonObject, parse
from weighlock.formats.source import Budget, BytesSource, TailSource


def parsed(data, **budget):
    return parse(BytesSource(data.encode() if isinstance(data, str) else data), Budget(**budget))


def test_both_values_of_a_repeated_name_are_there():
    found = parsed('{"a": 1, "b": {"a": 3}, "a": [2]}')
    assert isinstance(found, JsonObject)
    assert found.every("a") == [1, [2]]
    assert found.every("c") == []


def test_what_python_reads_leniently_is_read():
    nan, infinity, half, control = parsed('[NaN, -Infinity, "\\ud800", "a\nb"]')
    assert nan != nan  # noqa: PLR0124 - that is what NaN is
    assert (infinity, half, control) == (float("-inf"), "\ud800", "a\nb")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32-be"])
def test_a_text_in_another_encoding_hides_nothing(encoding):
    assert parsed('{"chat_template": "ä"}'.encode(encoding)).every("chat_template") == ["ä"]
    assert json.loads('{"chat_template": "ä"}'.encode(encoding)) == {"chat_template": "ä"}


def test_an_integer_that_is_too_long_for_python_is_no_error():
    assert parsed(f"[{'9' * 5000}, -7]") == [float("inf"), -7]


@pytest.mark.parametrize("data", ["", "{", "{} {}", "{'a': 1}", '{"a": }', b"\xff\xff{}", b"\x80"])
def test_what_is_no_json_is_a_format_error(data):
    with pytest.raises(FormatError):
        parsed(data)


def test_nesting_without_an_end_is_over_budget():
    with pytest.raises(OverBudgetError, match="deeply"):
        parsed("[" * 200_000)


def test_many_small_values_are_over_budget_before_they_are_made():
    with pytest.raises(OverBudgetError, match="memory"):
        parsed(f"[{'[],' * 10_000}0]", retained=1 << 20)


def test_a_text_of_unknown_length_is_bounded(monkeypatch):
    monkeypatch.setattr(json_text, "LARGEST", 100)
    for source in (BytesSource(b" " * 101), TailSource(BytesSource(b" " * 101), 0)):
        with pytest.raises(OverBudgetError, match="larger"):
            parse(source, Budget())
