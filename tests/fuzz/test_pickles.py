"""A short run with a fixed seed; `python -m bench.fuzz` makes the long one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.generator import Generator, tokens
from tests.fuzz.honest import write_honest
from tests.fuzz.oracle import StandIn, broken_promise, requests
from weighlock.finding import Outcome

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.fuzz
def test_no_stream_judged_data_only_asks_for_more(tmp_path):
    write_honest(tmp_path / "honest")
    command = [sys.executable, "-m", "tests.fuzz.run", str(tmp_path / "honest"), "--seed", "1", "--count", "4000"]
    paths = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    ran = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": paths}, check=True, capture_output=True, timeout=120
    )
    summary = json.loads(ran.stdout)
    assert summary["failures"] == []
    assert summary["streams"] == 4000
    assert summary["outcomes"]["data-only"] > summary["streams"] / 100


def test_oracle_sees_what_an_unpickler_asks_for():
    assert ("os", "system") in set(requests(b"cos\nsystem\n."))


def test_oracle_sees_a_name_behind_a_computed_operand():
    data = b"\x80\x04\x8c\x02osc_codecs\nencode\n(X\x06\x00\x00\x00flfgrzX\x05\x00\x00\x00rot13tR\x93."
    assert ("os", "system") in set(requests(data))


def test_oracle_carries_on_after_the_first_pickle():
    assert ("os", "system") in set(requests(b"N.cos\nsystem\n."))


def test_payload_is_not_called_data_only():
    outcome, name = broken_promise(b"cos\nsystem\n(Vtrue\ntR.")
    assert outcome is Outcome.REFUSED
    assert name is None


def test_stand_in_takes_every_opcode():
    standin = StandIn(1, a=2)
    result = standin()
    standin["a"] = result
    assert isinstance(result, StandIn)
    assert standin.append(1) is standin.add(1) is standin.__setstate__({}) is None


def test_generator_repeats_itself():
    honest = [tokens(b"\x80\x04]\x94(K\x01K\x02e.")]
    one, other = Generator(7, honest), Generator(7, honest)
    assert [one.stream() for _ in range(50)] == [other.stream() for _ in range(50)]
