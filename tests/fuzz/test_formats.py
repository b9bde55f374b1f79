"""A short run of the fuzzer of the formats with a fixed seed, and proof that it would notice what it looks for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz import differential, formats
from tests.fuzz.formats import Fuzzer, HangError, Tally
from tests.fuzz.seeds import LIGHT

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.fuzz
def test_no_input_raises_or_hangs(tmp_path):
    state = tmp_path / "state.json"
    command = [
        sys.executable,
        "-m",
        "tests.fuzz.formats",
        "--light",
        "--seed",
        "1",
        "--count",
        "60",
        "--state",
        str(state),
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])}
    for _ in range(2):  # the second run goes on where the first one stopped
        ran = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, timeout=120)
        summary = json.loads(ran.stdout)
        assert [tally["failures"] for tally in summary.values()] == [[]] * len(LIGHT)
    assert {tally["number"] for tally in summary.values()} == {120}
    outcomes = {name for tally in summary.values() for name in tally["outcomes"]}
    assert {"data-only", "refused", "unverifiable", "needs-approval", "not-a-model"} <= outcomes


def test_every_input_is_made_from_its_number_alone():
    one, other = Fuzzer("json", 5), Fuzzer("json", 5)
    assert [one.make(number) for number in range(40)] == [other.make(number) for number in reversed(range(40))][::-1]
    assert one.make(3) != Fuzzer("json", 6).make(3)


@pytest.mark.parametrize(("error", "outcome"), [(ZeroDivisionError(), "crash"), (HangError(), "hang")])
def test_a_crash_and_a_hang_are_noticed_and_can_be_made_again(monkeypatch, error, outcome):
    def broken(*_, **__):
        raise error

    monkeypatch.setattr(formats, "inspect", broken)
    fuzzer, tally = Fuzzer("pickle", 1), Tally(number=7)
    fuzzer.step(tally)
    assert tally.outcomes == {outcome: 1}
    assert bytes.fromhex(tally.failures[0]["data"]) == fuzzer.make(tally.failures[0]["number"])[1]


def test_an_answer_that_changes_is_noticed(monkeypatch):
    answers = iter(range(10))
    monkeypatch.setattr(formats, "inspect", lambda *_, **__: next(answers))
    with pytest.raises(AssertionError, match="another"):
        Fuzzer("pickle", 1).judge("a.pkl", b"N.", twice=True)


@pytest.mark.fuzz
@pytest.mark.parametrize(("name", "count"), [("onnx", 100), ("jinja", 200), ("gguf", 15)])
@pytest.mark.filterwarnings("ignore")
def test_what_the_real_readers_find_is_found(name, count):
    result = differential.run(name, 1, count)
    assert result["lies"] == []
    assert result["seen"]["taken by both"] > count // 8
