"""`weighlock doctor`: it says guarded only where the guard is, and names what is missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from weighlock._cli import main
from weighlock.own_saves import OwnSaves
from weighlock.runtime.hooks import __path__ as hooks

EMPTY_LOCK = 'lock-version = "1.0"\ncreated-by = "weighlock"\n'
FAKES = ("huggingface_hub", "joblib", "safetensors", "torch")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a lockfile, and leave the guarded libraries out of the interpreter that is asked."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "models.lock").write_text(EMPTY_LOCK)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def python(tmp_path: Path) -> str:
    """Return an interpreter of an environment of its own, without any guarded library."""
    venv.create(tmp_path / "venv", with_pip=False)
    return str(tmp_path / "venv" / "bin" / "python")


def doctor(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(["doctor", *arguments])
    return code, capsys.readouterr().out


def examined(capsys: pytest.CaptureFixture[str], python: str) -> tuple[int, dict]:
    code, out = doctor(capsys, "--python", python, "--format", "json")
    return code, json.loads(out)


def library(tmp_path: Path, name: str, **modules: str) -> Path:
    folder = tmp_path / "libraries" / name
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("__version__ = '99.0'\n")
    for module, code in modules.items():
        (folder / f"{module}.py").write_text(code)
    return folder.parent


def test_an_interpreter_that_nothing_guards_is_not_guarded(project, python, capsys):
    code, report = examined(capsys, python)
    assert code == 1
    assert not report["guarded"]
    assert not report["active"]
    assert report["activation"] == []
    assert {
        name: library["installed"] for name, library in report["libraries"].items() if name in FAKES
    } == dict.fromkeys(FAKES, False)
    code, text = doctor(capsys, "--python", python)
    assert code == 1
    assert text.startswith("NOT GUARDED: ")
    assert "weighlock activate" in text


def test_an_activated_environment_is_guarded(project, python, capsys):
    assert main(["activate", "--python", python]) == 0
    code, report = examined(capsys, python)
    assert code == 0, report
    assert report["guarded"]
    assert [Path(path).suffix for path in report["activation"]] == [".pth", ".start"]
    assert report["libraries"]["pickle"]["modules"]["pickle"]["choke_points"]
    assert report["audit_events"] == ["pickle.find_class"]
    settings = report["settings"]
    assert (settings["mode"], settings["unlocked"], settings["models"]) == ("enforce", "refuse", 0)
    assert settings["lock"] == str(project / "models.lock")
    assert settings["cache"].endswith("digests")
    assert main(["deactivate", "--python", python]) == 0
    assert examined(capsys, python)[0] == 1


def test_a_guard_that_cannot_start_is_reported(project, python, capsys):
    assert main(["activate", "--python", python]) == 0
    (project / "models.lock").unlink()
    code, report = examined(capsys, python)
    assert code == 1
    assert not report["guarded"]
    assert "the guard cannot start: there is no models.lock" in report["problem"]


def test_a_broken_lockfile_is_reported(project, python, capsys):
    assert main(["activate", "--python", python]) == 0
    (project / "models.lock").write_text("lock-version = '9.0'\n")
    _, report = examined(capsys, python)
    assert "models.lock" in report["settings"]["problem"]
    assert not report["guarded"]


def test_a_guard_that_is_switched_off_is_not_guarded(project, python, capsys, monkeypatch):
    assert main(["activate", "--python", python]) == 0
    monkeypatch.setenv("WEIGHLOCK_MODE", "off")
    code, report = examined(capsys, python)
    assert code == 1
    assert report["problem"] == "WEIGHLOCK_MODE is off"


def test_a_program_under_weighlock_run_is_guarded(project, capsys):
    done = subprocess.run(
        [sys.executable, "-m", "weighlock", "run", "-m", "weighlock", "doctor", "--format", "json"],
        capture_output=True,
        text=True,
        check=False,
    )
    report = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert report["activation"][0].startswith("PYTHONPATH=")
    missing = [name for name in FAKES if not report["libraries"][name]["modules"]]
    assert not missing
    assert all(module["choke_points"] for name in FAKES for module in report["libraries"][name]["modules"].values())


def test_a_sitecustomize_that_starts_the_guard_is_named(project, python, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text("from weighlock.runtime import start\nstart()\n")
    source = Path(hooks[0]).parents[2]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), str(source)]))
    code, report = examined(capsys, python)
    assert code == 0
    assert report["activation"] == [str(folder / "sitecustomize.py")]


@pytest.mark.parametrize(
    ("module", "code", "problem"),
    [
        ("joblib.numpy_pickle", "def read():\n    pass\n", "cannot guard joblib.numpy_pickle 99.0"),
        ("torch.serialization", "load = None\n", "cannot guard torch.serialization 99.0"),
        ("joblib.numpy_pickle", "raise ImportError('broken')\n", "ImportError: broken"),
    ],
)
@pytest.mark.usefixtures("project")
def test_a_choke_point_that_a_new_version_has_lost_is_named(  # noqa: PLR0917 - fixtures
    python, tmp_path, capsys, monkeypatch, module, code, problem
):
    name, _, part = module.partition(".")
    monkeypatch.setenv("PYTHONPATH", str(library(tmp_path, name, **{part: code})))
    assert main(["activate", "--python", python]) == 0
    status, report = examined(capsys, python)
    assert status == 1
    assert not report["guarded"]
    assert problem in report["libraries"][name]["modules"][module]["problem"]
    assert f"MISSING {module}" in doctor(capsys, "--python", python)[1]


def test_what_is_not_covered_comes_from_every_hook_of_a_library_that_is_there(
    project, python, tmp_path, capsys, monkeypatch
):
    _, report = examined(capsys, python)
    assert set(report["not_covered"]) == {"interpreters", "pickle", "pickle_dump"}
    monkeypatch.setenv("PYTHONPATH", str(library(tmp_path, "joblib", numpy_pickle="")))
    _, report = examined(capsys, python)
    assert set(report["not_covered"]) == {"interpreters", "joblib", "joblib_dump", "pickle", "pickle_dump"}
    assert all(report["not_covered"].values())


def test_what_is_not_covered_is_counted_and_listed_where_it_is_asked_for(project, python, capsys):
    _, report = examined(capsys, python)
    limits = [item for items in report["not_covered"].values() for item in items]
    text = doctor(capsys, "--python", python)[1]
    assert f"{len(limits)} limits of interpreters, pickle" in text
    assert "`weighlock doctor --limits` lists them" in text
    assert limits[0][:40] not in text
    text = doctor(capsys, "--python", python, "--limits")[1]
    assert all(item[:40] in text for item in limits)


def test_a_library_that_lacks_another_one_is_not_unguarded(project, python, tmp_path, capsys, monkeypatch):
    place = library(tmp_path, "joblib", numpy_pickle="import a_library_that_nobody_has")
    monkeypatch.setenv("PYTHONPATH", str(place))
    assert main(["activate", "--python", python]) == 0
    code, report = examined(capsys, python)
    assert (code, report["guarded"]) == (0, True)
    assert main(["doctor", "--python", python]) == 0
    assert (
        "joblib.numpy_pickle: cannot be imported here, for want of a_library_that_nobody_has" in capsys.readouterr().out
    )


@pytest.mark.parametrize("python", ["/nowhere/python", "/bin/false"])
def test_an_interpreter_that_cannot_be_asked_is_an_error(project, python, capsys):
    assert main(["doctor", "--python", python]) == 2
    assert python in capsys.readouterr().err


def test_what_this_project_saved_is_counted_and_that_of_others_is_not(project, python, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("WEIGHLOCK_STATE", str(tmp_path / "state"))
    for folder, sizes in ((project, (1, 2, 3)), (tmp_path, (4,))):
        for size in sizes:
            OwnSaves(dict(os.environ), os.path.realpath(folder)).add(size, "ab" * 31 + f"{size:02}")
    settings = examined(capsys, python)[1]["settings"]
    assert (settings["saved"], settings["saves"]) == (str(tmp_path / "state" / "saved"), 3)
    assert f"{settings['saved']} (3 of this project)" in doctor(capsys, "--python", python)[1]
    (project / "weighlock.toml").write_text("trust-saved = false\n")
    assert examined(capsys, python)[1]["settings"]["saves"] is None
    assert "saved files   not trusted" in doctor(capsys, "--python", python)[1]


def test_a_policy_that_cannot_be_read_is_not_called_absent(project, python, capsys):
    assert main(["activate", "--python", python]) == 0
    capsys.readouterr()
    (project / "pyproject.toml").write_text("[tool.weighlock\n")
    assert main(["doctor", "--python", python]) == 1
    shown = capsys.readouterr().out
    assert "policy        cannot be read" in shown
    assert "hint          correct it there" in shown


SIGNED = """
[evidence]
require-signature = true
signers = [{ name = "release", key = "release.pub" }]
engines = [{ rego = "rules" }]
ledger = { place = "records", required = true }
"""


def test_an_organisation_that_enforces_is_no_problem_of_the_report(project, python, capsys, monkeypatch):
    (project / "organisation.toml").write_text('mode = "enforce"\n')
    monkeypatch.setenv("WEIGHLOCK_ORG_POLICY", str(project / "organisation.toml"))
    _, report = examined(capsys, python)
    assert (report["problem"], report["settings"]["problem"]) == (None, None)
    assert report["libraries"]["pickle"]["modules"]["pickle"]["choke_points"]
    assert report["settings"]["organisation"] == [str(project / "organisation.toml")]
    assert main(["activate", "--python", python]) == 0
    assert examined(capsys, python)[0] == 0


def test_it_says_where_verdicts_are_recorded_and_what_is_required(project, python, capsys, monkeypatch):
    _, text = doctor(capsys, "--python", python)
    assert "  signatures    not required of models.lock\n  engines       builtin\n" in text
    (project / "weighlock.toml").write_text(SIGNED)
    _, text = doctor(capsys, "--python", python)
    assert f"  ledger        {project / 'records'}, required\n" in text
    assert "  signatures    required of models.lock: 1 of release\n" in text
    assert "  engines       builtin, rules\n" in text


def test_the_password_of_a_ledger_is_not_shown(project, python, capsys, monkeypatch):
    monkeypatch.setenv("WEIGHLOCK_LEDGER", "postgresql://user:secret@db.example/ledger?password=secret")
    for form in ("text", "json"):
        _, text = doctor(capsys, "--python", python, "--format", form)
        assert "postgresql://db.example/ledger" in text
        assert "secret" not in text
