"""SavedModels and TFLite under the guard; `tests/e2e/tensorflow_matrix.py` installs TensorFlow for it."""

from __future__ import annotations

import os
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
    pytest.mark.skipif(find_spec("tensorflow") is None, reason="TensorFlow is not installed: make matrix"),
]

WRITE = """
import pathlib, shutil
import tensorflow as tf
vector = [tf.TensorSpec([4], tf.float32)]
class Plain(tf.Module):
    def __init__(self):
        super().__init__()
        self.w = tf.Variable([1.0, 2.0, 3.0, 4.0])
        pathlib.Path("words.txt").write_text("a\\nb\\n")
        words = tf.lookup.TextFileInitializer("words.txt", tf.string, -2, tf.int64, -1)
        self.table = tf.lookup.StaticHashTable(words, -1)
    @tf.function(input_signature=vector)
    def serve(self, x):
        return x * self.w
    @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
    def find(self, x):
        return self.table.lookup(x)
class Writer(tf.Module):
    @tf.function(input_signature=vector)
    def serve(self, x):
        tf.io.write_file(MARKER, "ran")
        return x
plain = Plain()
tf.saved_model.save(plain, "plain", signatures=plain.serve)
shutil.copytree("plain", "swapped")
tf.saved_model.save(Writer(), "writer")
with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    x = tf.compat.v1.placeholder(tf.float32, [None])
    w = tf.compat.v1.get_variable("w", [1])
    session.run(tf.compat.v1.global_variables_initializer())
    tf.compat.v1.saved_model.simple_save(session, "old", {"x": x}, {"y": x * w})
double = tf.function(lambda x: tf.nn.relu(x * 2.0), input_signature=vector).get_concrete_function()
pathlib.Path("plain.tflite").write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([double]).convert())
import keras
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
model.save("plain.keras")
"""

ATTEMPTS = """
def attempt(name, load):
    try:
        print("LOADED", name, load())
    except BaseException as error:
        print("STOPPED", name, type(error).__name__, " ".join(str(error).split())[:600])

import tensorflow as tf
import numpy as np
x = tf.constant([1.0, 1.0, 1.0, 1.0])
def lite(**options):
    interpreter = tf.lite.Interpreter(**options)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.ones(4, "float32"))
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).sum()
def first(folder):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        graph = tf.compat.v1.saved_model.loader.load(session, ["serve"], folder)
        signature = graph.signature_def["serving_default"]
        return session.run(next(iter(signature.outputs.values())).name,
                           {next(iter(signature.inputs.values())).name: [1.0, 1.0, 1.0, 1.0]}).sum() > -100
plain = []
attempt("load", lambda: plain.append(tf.saved_model.load("plain")) or plain[0].serve(x).numpy().sum())
attempt("asset", lambda: tf.saved_model.load("plain").find(tf.constant("b")).numpy())
attempt("saved-again", lambda: tf.saved_model.save(tf.saved_model.load("plain"), "again"))
attempt("first", lambda: first("plain"))
attempt("old", lambda: first("old"))
attempt("layer", lambda: keras.layers.TFSMLayer("plain", call_endpoint="serving_default") and 1)
attempt("lite", lambda: lite(model_path="plain.tflite"))
attempt("lite-memory", lambda: lite(model_content=open("plain.tflite", "rb").read()))
attempt("keras", lambda: type(keras.saving.load_model("plain.keras")).__name__)
attempt("writer", lambda: tf.saved_model.load("writer").serve(x))
attempt("missing", lambda: tf.saved_model.load("missing"))
""".replace("import numpy", "import keras\nimport numpy")
EARLY = "import tensorflow as tf\nearly = tf.saved_model.load\nLite = tf.lite.Interpreter\n"
LATE = """
attempt("early", lambda: early("plain"))
attempt("early-lite", lambda: Lite(model_path="plain.tflite"))
attempt("swapped", lambda: tf.saved_model.load("swapped"))
attempt("text", lambda: tf.saved_model.load("text"))
"""
WAYS = ["load", "asset", "saved-again", "first", "old", "layer", "lite", "lite-memory", "keras"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tensorflow")
    script = WRITE.replace("MARKER", repr(str(folder / "ran")))
    done = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def project(saved, tmp_path_factory) -> Workbench:
    bench = Workbench(tmp_path_factory.mktemp("project"))
    shutil.copytree(saved, bench.folder, dirs_exist_ok=True)
    shutil.rmtree(bench.folder / "swapped" / "variables")
    shutil.copytree(bench.folder / "writer" / "variables", bench.folder / "swapped" / "variables")
    (bench.folder / "text").mkdir()
    shutil.copy(bench.folder / "plain" / "saved_model.pb", bench.folder / "text" / "saved_model.pbtxt")
    return bench


def lock(bench: Workbench, folder: str, *, approve: bool = False) -> None:
    for path in sorted((bench.folder / folder).rglob("*")) if folder else sorted(bench.folder.glob("plain.*")):
        if path.is_file():
            inspection = inspect(BytesSource(path.read_bytes()), name=path.name)
            facts = {"outcome": str(inspection.outcome), "needs": inspection.needs} if inspection.needs else {}
            if approve:
                facts["approved"] = inspection.needs
            bench.lock(path.relative_to(bench.folder), **facts)


def attempts(bench: Workbench, code: str) -> dict[str, str]:
    bench.write_lock()
    done = bench.run(code, WEIGHLOCK_LOCK=str(bench.folder / "models.lock"), TF_CPP_MIN_LOG_LEVEL="3")
    assert done.returncode == 0, done.stderr
    lines = [line.split(maxsplit=2) for line in done.stdout.splitlines() if line.startswith(("LOADED", "STOPPED"))]
    return {name: f"{what} {rest}" for what, name, rest in lines}


@pytest.fixture(scope="module")
def answers(saved, tmp_path_factory):
    """Lock two models and a file of each kind, and approve the ops of the old one alone."""
    bench = project(saved, tmp_path_factory)
    lock(bench, "plain")
    lock(bench, "old", approve=True)
    lock(bench, "writer")
    lock(bench, "")
    return attempts(bench, f"{EARLY}import weighlock.auto\n{ATTEMPTS}{LATE}")


@pytest.fixture(scope="module")
def unlocked(saved, tmp_path_factory):
    return attempts(project(saved, tmp_path_factory), f"{EARLY}import weighlock.auto\n{ATTEMPTS}{LATE}")


@pytest.mark.parametrize("way", WAYS)
def test_locked_models_load_in_every_way(answers, way):
    assert answers[way].startswith("LOADED")


def test_what_is_loaded_computes(answers):
    assert answers["load"] == "LOADED 10.0"
    assert answers["asset"] == "LOADED 1"
    assert answers["lite"] == answers["lite-memory"] == "LOADED 8.0"


@pytest.mark.parametrize("way", [*WAYS, "early", "early-lite", "writer", "swapped", "text"])
def test_a_model_that_is_not_locked_is_refused(unlocked, way):
    assert unlocked[way].startswith("STOPPED LoadRefused")


def test_an_op_that_writes_files_is_refused_by_its_name(answers, saved):
    assert answers["writer"].startswith("STOPPED LoadRefused")
    assert "tensorflow:op WriteFile" in answers["writer"]
    assert not os.path.exists(saved / "ran")


def test_variables_of_another_model_are_refused_though_they_are_locked(answers):
    # They are the locked ones of another model: TensorFlow says that they do not fit, and runs nothing.
    assert answers["swapped"].startswith("STOPPED")


def test_a_model_as_text_is_refused(answers):
    assert "one binary file" in answers["text"]


def test_what_is_missing_is_an_error_as_ever(answers):
    assert answers["missing"].startswith("STOPPED OSError")
