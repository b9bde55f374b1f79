"""The import budget: what a guarded interpreter imports before its program begins. It counts modules, not time."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import weighlock

SOURCE = Path(weighlock.__file__).parent.parent

LIST = "import sys; print(*sorted(sys.modules))"

HEAVY = {
    "asyncio", "contextlib", "dataclasses", "enum", "functools", "hashlib", "importlib.metadata", "importlib.util",
    "inspect", "json", "logging", "pathlib", "pickle", "re", "tempfile", "threading", "tomllib", "types", "typing",
}  # fmt: skip


def _modules(folder: Path, code: str, **environ: str) -> set[str]:
    ours = ("WEIGHLOCK_", "COVERAGE_", "COV_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        cwd=folder,
        env={**clean, "PYTHONPATH": str(SOURCE), **environ},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "models.lock").write_text('lock-version = "1.0"\ncreated-by = "weighlock"\nmodels = []\n')
    return tmp_path


@pytest.fixture
def plain(folder):
    # os is what site imports anyway.
    return _modules(folder, f"import os; {LIST}")


@pytest.mark.parametrize("environ", [{}, {"WEIGHLOCK_LOCK": "models.lock"}, {"WEIGHLOCK_MODE": "warn"}])
def test_an_active_guard_is_three_modules(folder, plain, environ):
    started = _modules(folder, f"from weighlock.runtime import start; start(); {LIST}", **environ)
    assert started - plain == {"weighlock", "weighlock.runtime", "weighlock.runtime._finder"}


def test_the_public_door_costs_no_more(folder, plain):
    started = _modules(folder, f"import weighlock; weighlock.activate(); {LIST}")
    assert started - plain == {"weighlock", "weighlock.runtime", "weighlock.runtime._finder"}
    assert _modules(folder, f"import weighlock.auto; {LIST}") - started == {"weighlock.auto"}


def test_a_guard_that_is_switched_off_is_no_module_at_all(folder, plain):
    from weighlock.runtime import _site

    files = _site.start_up_files("/site", str(SOURCE), mode=None, lock=None, policy=None)
    line = files[os.path.join("/site", _site.PTH)]
    assert line.startswith("import ")
    assert line.count("\n") == 1
    assert _modules(folder, f"{line}{LIST}", WEIGHLOCK_MODE="off") == plain
    assert _modules(folder, f"{line}{LIST}") > plain


def test_the_shim_of_pip_is_one_module(folder, plain):
    from weighlock.runtime import _pip_site, _site

    files = _pip_site.start_up_files(str(folder), sys.executable, str(SOURCE))
    _site.write(files)
    line = files[os.path.join(str(folder), _pip_site.PTH)]
    assert line.startswith("import ")
    assert line.count("\n") == 1
    assert _modules(folder, f"{line}{LIST}", PYTHONPATH=str(folder)) - plain == {"_weighlock_pip"}


def test_importing_weighlock_imports_nothing_else(folder, plain):
    assert _modules(folder, f"import weighlock; {LIST}") - plain == {"weighlock"}


def test_an_import_of_something_unguarded_imports_no_hook(folder):
    loaded = _modules(folder, f"from weighlock.runtime import start; start(); import json, colorsys; {LIST}")
    assert not [name for name in loaded if name.startswith("weighlock.runtime.hooks")]


def test_the_first_unpickling_of_data_does_not_read_the_lockfile(folder):
    code = "import pickle; from weighlock.runtime import start; start(); pickle.loads(pickle.dumps({1: 2}))"
    loaded = _modules(folder, f"{code}; {LIST}")
    assert "weighlock.lockfile" not in loaded
    assert "weighlock.gates.load" not in loaded


def test_a_load_that_the_lockfile_settles_does_not_import_the_inspector(folder):
    (folder / "data.pkl").write_bytes(b"N.")
    code = """
from weighlock.errors import LoadRefused
from weighlock.runtime import start
start()
import pickle
try:
    pickle.load(open("data.pkl", "rb"))
except LoadRefused:
    import sys; print(*sorted(sys.modules))
"""
    loaded = _modules(folder, code)
    assert "weighlock.gates.load" in loaded
    assert not [name for name in loaded if name.startswith(("weighlock.inspector", "weighlock.checks"))]
    assert not loaded & {"click", "rich", "packaging", "platformdirs", "huggingface_hub", "safetensors"}


def test_the_budget_names_what_is_heavy(folder, plain):
    assert not (_modules(folder, f"from weighlock.runtime import start; start(); {LIST}") - plain) & HEAVY


def test_judging_a_model_imports_nothing_that_only_packages_need(folder):
    (folder / "weighlock.toml").write_text('unlocked = "inspect"\n')
    (folder / "model.pkl").write_bytes(pickle.dumps({"weights": [1, 2]}))
    load = 'with open("model.pkl", "rb") as file: pickle.load(file)'
    judged = _modules(folder, f"import weighlock, pickle; weighlock.activate()\n{load}\n{LIST}")
    assert "weighlock.checks.pickle_imports" in judged
    of_packages = (
        "checks.packages",
        "formats.wheel",
        "formats.python",
        "release",
        "advisories",
        "sources",
        "gates.ins",
    )
    assert not [name for name in judged if name.startswith(tuple(f"weighlock.{room}" for room in of_packages))]
    assert not [name for name in judged if name.partition(".")[0] in {"packaging", "click", "sqlite3"}]
