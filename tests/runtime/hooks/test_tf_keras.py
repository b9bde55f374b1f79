"""Keras 2 as `tf_keras` under the guard; `tests/e2e/tensorflow_matrix.py` installs it for these tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import find_spec

import pytest

from tests.runtime.conftest import Workbench
from weighlock.formats.source import BytesSource
from weighlock.inspector import inspect

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.skipif(find_spec("tf_keras") is None, reason="tf_keras is not installed: make matrix"),
]

WRITE = """
import h5py, tf_keras as keras
inputs = keras.layers.Input((4,))
def make(layer):
    return keras.Sequential([keras.layers.Input((4,)), layer])
plain = make(keras.layers.Dense(2))
plain.compile("adam", "mse")
for name in ("plain.h5", "plain.keras", "plain"):
    plain.save(name)
for name in ("plain.weights.h5", "old.h5", "numbers"):
    plain.save_weights(name)
code = make(keras.layers.Lambda(lambda x: (__import__("pathlib").Path(MARKER).touch(), x)[1]))
for name in ("code.h5", "code.keras", "code"):
    code.save(name)
with h5py.File("code.h5") as original, h5py.File("behind.bin", "w", userblock_size=512) as copy:
    for name in original:
        original.copy(name, copy)
    copy.attrs.update(original.attrs)
"""

ATTEMPTS = """
import os
os.environ["TF_USE_LEGACY_KERAS"] = "1"
EARLY
import weighlock.auto
import h5py, tf_keras as keras, tensorflow as tf

def attempt(name, load):
    try:
        print("LOADED", name, type(load()).__name__)
    except BaseException as error:
        print("STOPPED", name, type(error).__name__, " ".join(str(error).split())[:600])

def weights(name):
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2)])
    model.load_weights(name)
    return model

for name in ("plain.h5", "plain.keras", "plain", "code.h5", "code.keras", "code", "behind.bin"):
    attempt(name, lambda: keras.models.load_model(name))
for name in ("plain.weights.h5", "old.h5", "numbers"):
    attempt(name, lambda: weights(name))
attempt("unsafe", lambda: keras.models.load_model("code.keras", safe_mode=False))
attempt("address", lambda: keras.models.load_model("file://" + os.path.abspath("code.h5")))
attempt("tf.keras", lambda: tf.keras.models.load_model("code.h5"))
attempt("h5py", lambda: keras.models.load_model(h5py.File("code.h5")))
attempt("h5py-behind", lambda: keras.models.load_model(h5py.File("behind.bin")))
"""
EARLY = "from tf_keras.src.saving.legacy.save import load_model as early"

ATTACKS = ["code.h5", "code.keras", "code", "behind.bin", "unsafe", "address", "tf.keras", "h5py", "h5py-behind"]
HONEST = ["plain.h5", "plain.keras", "plain.weights.h5", "old.h5", "numbers"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tf_keras")
    script = WRITE.replace("MARKER", repr(str(folder / "ran")))
    done = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def attempts(bench: Workbench, code: str) -> dict[str, str]:
    bench.write_lock()
    done = bench.run(code, WEIGHLOCK_LOCK=str(bench.folder / "models.lock"), TF_CPP_MIN_LOG_LEVEL="3")
    assert done.returncode == 0, done.stderr
    lines = [line.split(maxsplit=2) for line in done.stdout.splitlines() if line.startswith(("LOADED", "STOPPED"))]
    return {name: f"{what} {rest}" for what, name, rest in lines}


def project(saved, tmp_path_factory) -> Workbench:
    bench = Workbench(tmp_path_factory.mktemp("project"))
    (saved / "ran").unlink(missing_ok=True)
    shutil.copytree(saved, bench.folder, dirs_exist_ok=True)
    return bench


@pytest.fixture(scope="module")
def inspected(saved, tmp_path_factory):
    """Nothing is locked, and plain data pass."""
    bench = project(saved, tmp_path_factory)
    bench.policy('unlocked = "inspect"\n')
    code = ATTEMPTS.replace("EARLY", EARLY) + 'attempt("early", lambda: early("code.h5"))\n'
    return attempts(bench, code)


@pytest.fixture(scope="module")
def locked(saved, tmp_path_factory):
    """What is plain is locked, and the code of one file is approved."""
    bench = project(saved, tmp_path_factory)
    for path in sorted(bench.folder.rglob("*")):
        if path.is_file() and path.relative_to(bench.folder).parts[0] in {*HONEST, "plain", "code", "code.h5"}:
            inspection = inspect(BytesSource(path.read_bytes()), name=path.name)
            facts = {"outcome": str(inspection.outcome), "imports": inspection.imports, "needs": inspection.needs}
            if path.name == "code.h5" or path.parent.name in {"plain", "code"}:
                facts["approved"] = inspection.needs
            bench.lock(path.relative_to(bench.folder), **(facts if inspection.needs else {}))
    return attempts(bench, ATTEMPTS.replace("EARLY", ""))


@pytest.mark.parametrize("way", [*ATTACKS, "early"])
def test_code_in_a_model_of_keras_2_does_not_run(inspected, saved, way):
    assert inspected[way].startswith("STOPPED LoadRefused")
    assert not (saved / "ran").exists()


@pytest.mark.parametrize("way", HONEST)
def test_a_plain_model_of_keras_2_needs_no_approval(inspected, way):
    assert inspected[way].startswith("LOADED")


@pytest.mark.parametrize("way", [*HONEST, "plain", "code.h5"])
def test_what_is_locked_and_approved_loads(locked, way):
    assert locked[way].startswith("LOADED")


@pytest.mark.parametrize("way", ["code.keras", "unsafe", "behind.bin", "h5py-behind"])
def test_an_approval_is_for_one_file(locked, way):
    assert locked[way].startswith("STOPPED LoadRefused")


def test_code_in_a_saved_model_is_refused_also_where_it_was_approved(locked):
    assert "run code of its own" in locked["code"]
