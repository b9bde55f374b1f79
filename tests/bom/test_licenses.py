"""Licences: recognised, or named in the words of their source, and never guessed."""

from __future__ import annotations

import pytest

from weighlock.bom.licenses import license_of


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("apache-2.0", "Apache-2.0"),
        ("MIT", "MIT"),
        ("mit and (apache-2.0 or bsd-2-clause)", "MIT AND (Apache-2.0 OR BSD-2-Clause)"),
        ("Apache-2.0 WITH LLVM-exception", "Apache-2.0 WITH LLVM-exception"),
        ("Apache License 2.0", "Apache-2.0"),
        ("cc-by-nc-4.0", "CC-BY-NC-4.0"),
    ],
)
def test_a_licence_of_the_list_is_an_expression(text: str, expression: str):
    found = license_of(text)
    assert found is not None
    assert found.expression == expression


@pytest.mark.parametrize(
    "text",
    [
        *("bsd", "llama3", "other", "MIT AND", "AND MIT", "MIT MIT", "(MIT", "MIT)", "()", "MIT AND llama3", "MIT/X11"),
        *("MIT <script>alert(1)</script>", "MIT\x1b[31m", "(" * 400 + "MIT" + ")" * 400, "x" * 10_000),
    ],
)
def test_what_is_not_of_the_list_keeps_its_own_words(text: str):
    found = license_of(text)
    assert found is not None
    assert (found.expression, found.name) == (None, text)


@pytest.mark.parametrize("text", ["", "  ", "unknown", "None"])
def test_nothing_is_no_licence(text: str):
    assert license_of(text) is None
