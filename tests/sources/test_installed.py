"""What an installation knows of the environment that it goes into."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.vectors.wheels import MODULE, wheel
from weighlock.finding import Outcome
from weighlock.formats.source import BytesSource
from weighlock.inspector.packages import inspect_wheel
from weighlock.runtime import _pip_site
from weighlock.sources.installed import read_installed


def _with(folder: Path, *, starts: str, module: str) -> Path:
    (folder / "start.pth").write_text(starts, encoding="utf-8")
    (folder / module).write_text("x = 1\n", encoding="utf-8")
    return folder


@pytest.mark.parametrize("file", ["_virtualenv.py", "_virtualenv/__init__.py", "_virtualenv.so"])
def test_a_wheel_that_replaces_what_a_start_up_file_of_the_environment_imports(tmp_path, file):
    installed = read_installed([str(_with(tmp_path, starts="import _virtualenv\n", module="_virtualenv.py"))])
    name, data = wheel("evil", {file: MODULE})
    inspection = inspect_wheel(BytesSource(data), name, owners=installed.owners)
    assert "shadows-other-distribution" in {one.check for one in inspection.findings if one.outcome}
    assert inspection.outcome >= Outcome.NEEDS_APPROVAL


def test_a_wheel_that_replaces_the_shim_of_pip(tmp_path):
    for path, text in _pip_site.start_up_files(str(tmp_path), "/usr/bin/python3", "/opt/weighlock").items():
        Path(path).write_text(text, encoding="utf-8")
    name, data = wheel("evil", {"_weighlock_pip.py": MODULE})
    owners = read_installed([str(tmp_path)]).owners
    assert inspect_wheel(BytesSource(data), name, owners=owners).outcome is Outcome.NEEDS_APPROVAL


def test_a_module_that_no_start_up_file_names_may_be_replaced_by_its_distribution(tmp_path):
    assert not read_installed([str(_with(tmp_path, starts="import other\n", module="six.py"))]).owners


def test_where_a_distribution_has_no_record_nobody_can_say_whose_a_module_is(tmp_path):
    (tmp_path / "setuptools-60.0.egg-info").mkdir()
    _with(tmp_path, starts="import os; __import__('_hack')\n", module="_hack.py")
    assert not read_installed([str(tmp_path)]).owners
