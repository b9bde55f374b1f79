"""The interpreter that a person names is the one that is asked, whatever folder it is started in."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from weighlock._cli._environment import interpreter


def test_a_path_holds_in_every_folder_and_a_link_stays_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    monkeypatch.chdir(tmp_path)
    assert interpreter(os.path.join("bin", "python")) == str(tmp_path / "bin" / "python")


def test_the_folder_of_an_environment_means_its_interpreter_as_for_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "python").symlink_to(sys.executable)
    monkeypatch.chdir(tmp_path)
    assert interpreter("venv") == str(tmp_path / "venv" / "bin" / "python")
    assert interpreter(".") == str(tmp_path)


def test_a_name_is_looked_up_as_a_shell_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "python-of-mine").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert interpreter("python-of-mine") == shutil.which("python-of-mine") == str(tmp_path / "python-of-mine")
    assert interpreter("python-of-nobody") == os.path.abspath("python-of-nobody")


def test_without_a_name_it_is_that_of_the_active_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    assert interpreter(None) == sys.executable
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path))
    assert interpreter(None) == sys.executable
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    assert interpreter(None) == str(tmp_path / "bin" / "python")
