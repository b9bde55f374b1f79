from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighlock.output.escape import printable


@pytest.mark.parametrize(
    ("attack", "shown"),
    [
        ("a\nALLOW  evil.bin", "a\\nALLOW  evil.bin"),
        ("a\rALLOW", "a\\rALLOW"),
        ("\x1b[2J\x1b[32mALLOW", "\\x1b[2J\\x1b[32mALLOW"),
        ("\x1b]8;;http://x\x07click", "\\x1b]8;;http://x\\x07click"),
        ("\x9b2J", "\\x9b2J"),
        ("a\x08\x08b", "a\\x08\\x08b"),
        ("gpj.\u202enib.ledom", "gpj.\\u202enib.ledom"),
        ("\u2066a\u2069", "\\u2066a\\u2069"),
        ("os\u200b.system", "os\\u200b.system"),
        ("a\u2028b\u2029c", "a\\u2028b\\u2029c"),
        ("a\u00adb", "a\\xadb"),
        ("a\u00a0b", "a\\xa0b"),
        ("\udcff\udc80", "\\udcff\\udc80"),
        ("\ufeffx", "\\ufeffx"),
        ("a\u3164b", "a\\u3164b"),
        ("a\ufe0fb", "a\\ufe0fb"),
        ("a\U000e0041\U000e0101b", "a\\U000e0041\\U000e0101b"),
        ("\x00\x7f", "\\x00\\x7f"),
    ],
    ids=lambda text: ascii(text)[1:20],
)
def test_hostile_text_is_shown_and_not_obeyed(attack: str, shown: str):
    assert printable(attack) == shown


@pytest.mark.parametrize("text", ["", "models/bert.bin", "modèle-größe/模型.safetensors", "a b\\c", "пример"])
def test_honest_names_stay_as_they_are(text: str):
    assert printable(text) == text


@given(st.text(st.characters(categories=None)))
def test_whatever_comes_in_one_harmless_line_comes_out(text: str):
    shown = printable(text)
    shown.encode("utf-8")
    assert len(shown.splitlines()) <= 1
    assert not any(unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} for char in shown)
    assert printable(shown) == shown
