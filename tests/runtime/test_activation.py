"""Five ways to switch the guard on, and none that fails open. Each is proved by a real child interpreter."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.runtime.venvs import ATTACK, SOURCE, UNDECIDED, Venv
from weighlock.runtime import _site

pytestmark = pytest.mark.e2e

EXAMPLE = SOURCE.parent / "sitecustomize_example"


def _starters(venv, **recorded):
    """Each start-up file as something that can be run: `(arguments, environment)`."""
    venv.write(**recorded)
    start = (
        f"import sys, pkgutil; sys.path.append({str(venv.site)!r}); pkgutil.resolve_name('_weighlock_guard:start')()"
    )
    example = venv.folder / "custom"
    example.mkdir()
    (example / "sitecustomize.py").write_text((EXAMPLE / "sitecustomize.py").read_text())
    bootstrap = venv.weighlock_at / "weighlock" / "runtime" / "bootstrap"
    run = "exec(open('attack.py').read())"
    path = os.pathsep.join((str(example), str(venv.weighlock_at)))
    return {
        "pth": (["-c", run], {}),
        "pth isolated": (["-I", "-c", run], {}),
        "start": (["-S", "-c", f"{start}\n{run}"], {}),
        "sitecustomize": (["-c", run], {"PYTHONPATH": path}),
        "bootstrap": (["-c", run], {"PYTHONPATH": str(bootstrap)}),
        "auto": (["-S", "-c", f"import weighlock.auto\n{run}"], {"PYTHONPATH": str(venv.weighlock_at)}),
        "activate": (
            ["-S", "-c", f"import weighlock; weighlock.activate()\n{run}"],
            {"PYTHONPATH": str(venv.weighlock_at)},
        ),
    }


FORMS = ["pth", "pth isolated", "start", "sitecustomize", "bootstrap", "auto", "activate"]


def _start(venv, form, **environ):
    arguments, extra = _starters(venv)[form]
    if not form.startswith("pth"):
        os.unlink(venv.site / _site.PTH)
    return venv.run(*arguments, **extra, **environ)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_guards(venv, form):
    venv.lock()
    done = _start(venv, form)
    assert done.stdout == "LoadRefused\n", done.stderr
    assert not (venv.folder / "marker").exists()


@pytest.mark.parametrize("form", FORMS)
def test_switched_off_every_form_leaves_the_program_alone(venv, form):
    assert _start(venv, form, WEIGHLOCK_MODE="off").stdout == "ran\n"


def _stopped(done, *parts):
    assert done.returncode not in {0, -6}, done
    assert done.stdout == ""
    for part in parts:
        assert part in done.stderr


@pytest.mark.parametrize("form", FORMS)
def test_without_a_lockfile_no_program_starts_and_the_ways_out_are_named(venv, form):
    done = _start(venv, form)
    _stopped(done, "there is no models.lock")
    if form != "activate":
        assert done.returncode == UNDECIDED
        assert len(done.stderr.splitlines()) == 2
        for way in ("weighlock lock MODEL", 'unlocked = "inspect"', "WEIGHLOCK_MODE=off weighlock deactivate"):
            assert way in done.stderr


@pytest.mark.parametrize("form", FORMS)
def test_an_unknown_mode_stops_the_program(venv, form):
    venv.lock()
    _stopped(_start(venv, form, WEIGHLOCK_MODE="Enforce"), "WEIGHLOCK_MODE must be one of")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["WEIGHLOCK_LOCK", "WEIGHLOCK_POLICY"])
def test_a_named_file_that_is_not_there_stops_the_program(venv, form, name):
    venv.lock()
    _stopped(_start(venv, form, **{name: "missing"}), "missing", name)


@pytest.mark.parametrize("form", FORMS)
def test_an_unreadable_lockfile_stops_the_program(venv, form):
    (venv.folder / "folder").mkdir()
    _stopped(_start(venv, form, WEIGHLOCK_LOCK="folder"), "cannot be read")


@pytest.mark.parametrize("form", FORMS)
def test_a_broken_policy_stops_a_program_that_has_no_lockfile(venv, form):
    (venv.folder / "weighlock.toml").write_text("unlocked = 'sometimes'")
    _stopped(_start(venv, form), "unlocked", "must be one of")


@pytest.mark.parametrize("text", ["models = [", 'lock-version = "9"', "\x00"])
def test_a_broken_lockfile_refuses_every_load(venv, text):
    venv.lock(text)
    done = _start(venv, "pth")
    assert done.stdout == "LoadRefused\n"
    assert not (venv.folder / "marker").exists()


def _copy(venv):
    """A weighlock that can be damaged."""
    import shutil

    venv.weighlock_at = venv.folder / "copy"
    shutil.copytree(SOURCE / "weighlock", venv.weighlock_at / "weighlock", ignore=shutil.ignore_patterns("__pycache__"))
    return venv.weighlock_at / "weighlock"


@pytest.mark.parametrize("form", ["pth", "pth isolated", "start", "sitecustomize"])
def test_a_weighlock_that_was_deleted_stops_the_program(venv, form):
    import shutil

    package = _copy(venv)
    venv.lock()
    arguments, extra = _starters(venv)[form]
    if not form.startswith("pth"):
        os.unlink(venv.site / _site.PTH)
    shutil.rmtree(package)
    done = venv.run(*arguments, **extra)
    _stopped(done, "the guard cannot start", "No module named 'weighlock'")
    assert done.returncode == UNDECIDED


@pytest.mark.parametrize("broken", ["runtime/__init__.py", "runtime/_finder.py", "__init__.py"])
@pytest.mark.parametrize("form", ["pth", "start", "sitecustomize", "bootstrap"])
def test_a_damaged_guard_stops_the_program(venv, form, broken):
    package = _copy(venv)
    venv.lock()
    (package / broken).write_text("def (")
    done = _start(venv, form)
    _stopped(done, "the guard cannot start", "SyntaxError")
    assert done.returncode == UNDECIDED


@pytest.mark.parametrize("form", FORMS)
def test_a_damaged_hook_of_a_library_that_is_imported_already_stops_the_program(venv, form):
    package = _copy(venv)
    venv.lock()
    (package / "runtime" / "hooks" / "pickle.py").write_text("def (")
    (venv.site / "000_early.pth").write_text("import pickle\n")
    arguments, extra = _starters(venv)[form]
    if not form.startswith("pth"):
        os.unlink(venv.site / _site.PTH)
    code = arguments[-1]
    done = venv.run(*arguments[:-1], f"import pickle\n{code}" if "-S" in arguments else code, **extra)
    _stopped(done, "cannot guard _pickle", "SyntaxError")


def test_a_damaged_hook_of_a_library_that_is_imported_later_fails_that_import(venv):
    package = _copy(venv)
    venv.lock()
    (package / "runtime" / "hooks" / "pickle.py").write_text("def (")
    venv.write()
    done = venv.run("-c", "try:\n import pickle\nexcept Exception as e:\n print(type(e).__name__, e)")
    assert done.stdout.startswith("GuardError cannot guard _pickle: SyntaxError")


def test_a_closed_standard_error_does_not_keep_the_guard_from_stopping_the_program(venv):
    venv.write()
    done = subprocess.run(
        ["/bin/sh", "-c", f"exec {venv.python} -c 'print(1)' 2>&-"], cwd=venv.folder, capture_output=True, check=False
    )
    assert done.returncode == UNDECIDED
    assert done.stdout == b""


def test_activate_and_deactivate(venv, tmp_path_factory):
    venv.lock()
    done = venv.cli("activate", "--python", venv.python, "--lockfile", "models.lock")
    assert done.returncode == 0, done.stderr
    assert f"undo: WEIGHLOCK_MODE=off weighlock deactivate --python {venv.python}\n" in done.stderr
    assert venv.run("attack.py").stdout == "LoadRefused\n"
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert venv.run(str(venv.folder / "attack.py"), cwd=elsewhere).stdout == "LoadRefused\n"
    done = venv.cli("deactivate", "--python", venv.python)
    assert done.returncode == 0, done.stderr
    assert venv.run("attack.py").stdout == "ran\n"
    assert list(venv.site.iterdir()) == []


def test_an_environment_whose_guard_cannot_start_can_be_deactivated(venv):
    venv.write(lock=str(venv.folder / "missing.lock"))
    assert venv.run("attack.py").returncode == UNDECIDED
    assert venv.cli("deactivate", "--python", venv.python).returncode == 0
    assert venv.run("attack.py").stdout == "ran\n"


def test_activate_refuses_a_broken_lockfile_and_writes_nothing(venv):
    venv.lock("models = [")
    done = venv.cli("activate", "--python", venv.python, "--lockfile", "models.lock")
    assert done.returncode == UNDECIDED
    assert "models.lock" in done.stderr
    assert list(venv.site.iterdir()) == []


def test_an_interpreter_outside_of_a_virtual_environment_is_not_guarded_without_being_asked_for(venv):
    # It stands in for a system's Python, and like one it answers that it is in no virtual environment.
    python = venv.folder / "python"
    question = "print(3, 11, sys.argv[1], 0, sep=chr(10))"
    python.write_text(f"#!/bin/sh\nexec {venv.python} -I -c 'import sys; {question}' {venv.site}\n")
    python.chmod(0o755)
    venv.lock()
    done = venv.cli("activate", "--python", str(python))
    assert done.returncode == UNDECIDED
    assert "is not in a virtual environment" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("hint: ")
    assert "--system" in done.stderr
    assert list(venv.site.iterdir()) == []


@pytest.mark.parametrize("python", ["/missing", "/bin/true", "/bin/false"])
def test_activate_refuses_what_is_no_interpreter(venv, python):
    done = venv.cli("activate", "--python", python)
    assert done.returncode == UNDECIDED
    assert done.stderr.startswith("error: ")


def test_the_environment_goes_before_what_was_recorded(venv):
    venv.lock()
    venv.write(mode="enforce", lock=str(venv.folder / "missing.lock"))
    assert venv.run("attack.py", WEIGHLOCK_LOCK="models.lock").stdout == "LoadRefused\n"
    assert venv.run("attack.py", WEIGHLOCK_LOCK="models.lock", WEIGHLOCK_MODE="warn").stdout == "ran\n"


def test_a_folder_with_odd_characters_works(tmp_path):
    folder = tmp_path / 'it\'s "ü" {x} %s'
    folder.mkdir()
    venv = Venv(folder, SOURCE)
    venv.lock()
    venv.write(lock=str(folder / "models.lock"))
    assert venv.run("attack.py").stdout == "LoadRefused\n"


def test_the_sitecustomize_that_the_guard_hides_is_loaded_afterwards(venv):
    venv.lock()
    hidden = venv.folder / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text("print('hidden', __file__)\nvalue = 5\n")
    (venv.folder / "program.py").write_text("import sitecustomize; print(sitecustomize.value)")
    done = venv.cli("run", "program.py", PYTHONPATH=os.pathsep.join((str(hidden), str(SOURCE))))
    assert done.stdout.splitlines()[-2:] == [f"hidden {hidden / 'sitecustomize.py'}", "5"], done.stderr


def test_a_hidden_sitecustomize_that_is_broken_is_reported_as_ever_and_the_guard_stays(venv):
    venv.lock()
    hidden = venv.folder / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text("raise RuntimeError('broken')")
    done = venv.cli("run", "attack.py", PYTHONPATH=os.pathsep.join((str(hidden), str(SOURCE))))
    assert done.stdout == "LoadRefused\n"
    assert "RuntimeError: broken" in done.stderr


def test_a_change_of_folder_does_not_change_the_lockfile(venv):
    """A program that enters the folder of a hostile model does not pick up the lockfile that lies there."""
    venv.lock()
    hostile = venv.folder / "hostile"
    hostile.mkdir()
    (hostile / "weighlock.toml").write_text('mode = "off"')
    (hostile / "models.lock").write_text("")
    code = "import weighlock.auto, os; os.chdir('hostile')\n" + ATTACK
    (venv.folder / "program.py").write_text(code)
    assert venv.run("program.py", PYTHONPATH=str(SOURCE)).stdout == "LoadRefused\n"


@pytest.mark.parametrize("option", ["-E", "-I"])
def test_where_children_would_not_find_the_guard_it_does_not_start(venv, option):
    venv.lock()
    code = f"import sys; sys.path.append({str(SOURCE)!r}); import weighlock.auto; print('unguarded')"
    _stopped(venv.run(option, "-c", code), "children would run unguarded", "weighlock activate")
    venv.write()
    assert venv.run(option, "-c", code.replace("unguarded", "guarded")).stdout == "guarded\n"


def test_an_audit_hook_that_keeps_others_out_keeps_the_guard_from_starting(venv):
    venv.lock()
    code = """
import sys
def keep_out(event, args):
    if event == "sys.addaudithook":
        raise RuntimeError("no")
sys.addaudithook(keep_out)
import weighlock.auto
print("unguarded")
"""
    _stopped(venv.run("-S", "-c", code, PYTHONPATH=str(SOURCE)), "another audit hook")


def test_inspect_in_the_policy_needs_no_lockfile(venv):
    (venv.folder / "weighlock.toml").write_text('unlocked = "inspect"')
    venv.write()
    assert venv.run("attack.py").stdout == "LoadRefused\n"
