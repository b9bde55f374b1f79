"""How a refusal that nobody caught ends a program."""

from __future__ import annotations

import pytest

CODE = """
import pickle
from pathlib import Path


def resume():
    return pickle.loads(Path("checkpoint.pkl").read_bytes())


resume()
"""


def test_an_uncaught_refusal_is_a_message_and_not_a_traceback(bench):
    (bench.folder / "checkpoint.pkl").write_bytes(bench.payload)
    bench.write_lock()
    (bench.folder / "train.py").write_text(CODE)
    done = bench.run("import weighlock.auto, runpy; runpy.run_path('train.py')")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "weighlock refused" in done.stderr
    assert "asked by: train.py, line 7" in done.stderr
    assert not bench.marker.exists()


def test_a_refused_torch_load_names_the_line_of_the_program_and_not_a_string(bench):
    (bench.folder / "model.pt").write_bytes(bench.payload)
    bench.write_lock()
    (bench.folder / "train.py").write_text("import torch\ntorch.load('model.pt')\n")
    done = bench.run("import weighlock.auto, runpy; runpy.run_path('train.py')")
    assert "asked by: train.py, line 2\n" in done.stderr
    assert done.stderr.count("asked by") == 1
    traceback = bench.run("import weighlock.auto, runpy; runpy.run_path('train.py')", WEIGHLOCK_TRACEBACK="1").stderr
    assert "<string>" not in traceback
    assert "serialization.py" in traceback


BROKEN = {
    "missing comma": ('lock-version = "1.0"\nmodels = [1 2]\n', ""),
    "unknown key": ('lock-version = "1.0"\ncreated-by = "x"\nmodel = []\n', ""),
    "newer version": ('lock-version = "9.0"\n', ""),
    "empty": ("", ""),
    "unknown mode": (None, 'mode = "enforced"\n'),
    "unknown profile": (None, 'profiles = ["nope"]\n'),
    "missing lockfile": (None, 'lock = "other.lock"\n'),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_lockfile_or_policy_ends_the_program_with_2_after_its_exit_handlers(bench, name):
    lock, policy = BROKEN[name]
    (bench.folder / "checkpoint.pkl").write_bytes(bench.payload)
    bench.write_lock()
    if lock is not None:
        (bench.folder / "models.lock").write_text(lock)
    bench.policy(policy)
    code = "import atexit\natexit.register(print, 'left in order')\nprint('before')\n"
    done = bench.run(f"import weighlock.auto\n{code}{CODE}")
    assert done.returncode == 2, done.stderr
    assert done.stdout == "before\nleft in order\n"
    assert done.stderr.startswith("weighlock cannot judge any load: ")
    assert "Traceback" not in done.stderr
    assert not bench.marker.exists()
    assert bench.run(f"import weighlock.auto\n{CODE}", WEIGHLOCK_TRACEBACK="1").returncode == 2


def test_the_traceback_is_there_for_who_asks(bench):
    (bench.folder / "checkpoint.pkl").write_bytes(bench.payload)
    bench.write_lock()
    (bench.folder / "train.py").write_text(CODE)
    done = bench.run("import weighlock.auto, runpy; runpy.run_path('train.py')", WEIGHLOCK_TRACEBACK="1")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "LoadRefused" in done.stderr


def test_other_errors_look_as_ever(bench):
    bench.write_lock()
    done = bench.run("import weighlock.auto; 1 / 0")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert done.stderr.rstrip().endswith("ZeroDivisionError: division by zero")


def test_in_warn_mode_a_load_that_went_on_is_not_called_refused(bench):
    (bench.folder / "checkpoint.pkl").write_bytes(bench.payload)
    bench.write_lock()
    done = bench.run(f"import weighlock.auto\n{CODE}", WEIGHLOCK_MODE="warn")
    assert done.returncode == 0
    assert bench.marker.exists()
    assert "warning: weighlock would refuse unpickling of a pickle; " in done.stderr
    assert "; it is let through, because the mode is warn\n" in done.stderr
    assert "weighlock refused" not in done.stderr
