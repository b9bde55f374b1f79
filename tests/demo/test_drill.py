"""The drill: every step happens, it leaves nothing behind, and a step that did not happen is an error."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from weighlock.demo import drill, project
from weighlock.demo.drill import Drill
from weighlock.demo.screen import Screen
from weighlock.demo.stage import Stage

pytest.importorskip("cryptography", reason="the drill signs")

_ROWS = (
    "where: what is known", "quarantine to refusal of the running program", "6 proofs verified, without weighlock",
)  # fmt: skip


def test_every_step_happens_and_nothing_is_left(tmp_path: Path):
    source = str(Path(project.__file__).parents[3])
    environ = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": source}
    words = [sys.executable, "-m", "weighlock.demo.drill"]
    ended = subprocess.run(words, env=environ, capture_output=True, text=True, timeout=300, check=False)
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr
    assert "Every step happened." in ended.stdout
    took = dict(re.findall(r"^  (\S.*?) +([0-9.]+) s$", ended.stdout, re.MULTILINE))
    assert all(re.search(rf"^  .*{re.escape(row[2:])}", ended.stdout, re.MULTILINE) for row in _ROWS)
    assert float(took["quarantine to refusal of the running program"]) < 30
    assert max(map(len, ended.stdout.splitlines())) <= 80
    assert list(tmp_path.iterdir()) == []


def test_a_step_that_did_not_happen_is_told_and_ends_the_drill(monkeypatch, capsys):
    monkeypatch.setattr(drill, "_POLICY", drill._POLICY.replace('approvers = ["bob"]', 'approvers = ["ci"]'))
    with Stage() as stage:
        assert not Drill(stage, Screen(color=False)).play()
    out = capsys.readouterr().out
    assert "This did NOT happen" in out
    assert "2. A program" not in out


def test_without_cryptography_it_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr(drill, "find_spec", lambda _name: None)
    assert drill.main() == 2
    assert "weighlock[sign]" in capsys.readouterr().err
