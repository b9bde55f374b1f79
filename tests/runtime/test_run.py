"""`weighlock run`: the program sees what it would see under plain Python, and the guard beside it."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys

import pytest

from tests.runtime.venvs import SOURCE, UNDECIDED

pytestmark = pytest.mark.e2e


def test_run_has_the_arguments_exit_code_and_main_of_plain_python(venv):
    venv.lock()
    (venv.folder / "program.py").write_text(
        "import sys, pickle\nprint(__name__, sys.argv, sys.path[0])\nclass A: pass\nprint(A.__module__)\nsys.exit(7)"
    )
    for program in (["program.py", "-x", "--lock", "b"], ["-m", "program", "-m", "--mode", "off"]):
        plain = subprocess.run([sys.executable, *program], cwd=venv.folder, capture_output=True, text=True, check=False)
        guarded = venv.cli("run", *program, PYTHONPATH=str(SOURCE))
        assert (guarded.returncode, guarded.stdout) == (plain.returncode, plain.stdout), guarded.stderr
        assert guarded.returncode == 7


def test_run_guards_the_program_and_its_children(venv):
    venv.lock()
    (venv.folder / "parent.py").write_text("import subprocess, sys; subprocess.run([sys.executable, 'attack.py'])")
    assert venv.cli("run", "attack.py").stdout == "LoadRefused\n"
    assert venv.cli("run", "parent.py").stdout == "LoadRefused\n"
    assert venv.cli("run", "--python", venv.python, "attack.py").stdout == "LoadRefused\n"
    assert venv.cli("run", "--mode", "warn", "attack.py").stdout == "ran\n"


def test_run_dies_by_the_signal_that_kills_the_program(venv):
    venv.lock()
    (venv.folder / "dies.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGTERM)")
    assert venv.cli("run", "dies.py").returncode == -signal.SIGTERM


def test_run_reads_a_program_from_standard_input(venv):
    venv.lock()
    done = subprocess.run(
        [sys.executable, "-m", "weighlock", "run", "-"],
        input="print(__name__)",
        cwd=venv.folder,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "__main__\n"


@pytest.mark.parametrize("arguments", [[], ["-m"], ["-x", "program.py"], ["--mode", "strict", "program.py"]])
def test_run_refuses_what_it_does_not_understand(venv, arguments):
    venv.lock()
    done = venv.cli("run", *arguments)
    assert done.returncode == UNDECIDED
    assert done.stderr.startswith("error: ")


@pytest.mark.parametrize("name", ["models/model.pt", "-x.pt", "a b.pt", "~/model.pt"])
def test_the_hint_of_a_refusal_runs_as_it_is_printed(venv, name):
    venv.lock()
    place = venv.folder / name
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(b"\x80\x02}q\x00.")
    (venv.folder / "train.py").write_text(f"import pickle\npickle.load(open({name!r}, 'rb'))\n")
    done = venv.cli("run", "train.py")
    assert done.returncode == 1
    hint = next(line for line in done.stderr.splitlines() if "hint: " in line).partition("hint: ")[2]
    program, *arguments = shlex.split(hint)
    assert program == "weighlock"
    locked = venv.cli(*arguments)
    assert locked.returncode == 0, locked.stderr
    assert venv.cli("run", "train.py").returncode == 0


def test_run_without_a_lockfile_says_so_in_one_line_and_a_hint(venv):
    done = venv.cli("run", "attack.py")
    assert done.returncode == UNDECIDED
    assert done.stderr.startswith("error: there is no models.lock")
    assert done.stdout == ""


def test_run_without_a_lockfile_does_not_tell_to_deactivate_what_nobody_activated(venv):
    assert "deactivate" not in venv.cli("run", "attack.py").stderr


@pytest.mark.parametrize(
    ("arguments", "environ", "error", "hint"),
    [
        (["--python", "nope"], {}, "nope: cannot be run: No such file", "give an interpreter"),
        (["--lockfile", "nope"], {}, "the lockfile that --lockfile or WEIGHLOCK_LOCK gives cannot be read", "correct"),
        (["--policy", "nope"], {}, "the policy that --policy or WEIGHLOCK_POLICY gives cannot be read", "correct"),
        (["--lockfile", "pipe"], {}, "the lockfile that --lockfile or WEIGHLOCK_LOCK gives cannot be read", "correct"),
        ([], {"WEIGHLOCK_MODE": "foo"}, "WEIGHLOCK_MODE must be one of enforce, warn, off, not 'foo'", "correct"),
    ],
)
def test_each_way_in_which_run_cannot_start_has_its_own_hint(venv, arguments, environ, error, hint):
    venv.lock()
    os.mkfifo(venv.folder / "pipe")
    done = venv.cli("run", *arguments, "attack.py", **environ)
    assert done.returncode == UNDECIDED
    assert done.stderr.startswith(f"error: {error}")
    assert f"\nhint: {hint}" in done.stderr
    assert "weighlock lock" not in done.stderr
    assert done.stdout == ""
