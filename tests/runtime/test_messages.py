"""How a refusal that nobody caught ends a program."""

from __future__ import annotations

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
