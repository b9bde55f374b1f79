"""What Keras saves under the guard loads again in the same project, and nothing else does."""

from __future__ import annotations

import pytest

from tests.runtime.conftest import Workbench

SAVE = """
import weighlock.auto
import os
os.environ["KERAS_BACKEND"] = "torch"
import io
import keras
import numpy as np
def attempt(name, load):
    try:
        print("LOADED", name, type(load()).__name__)
    except BaseException as error:
        print("STOPPED", name, type(error).__name__, " ".join(str(error).split())[:400])
x = np.ones((8, 4), "float32")
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "relu"), keras.layers.Dense(1)])
model.compile("adam", "mse")
"""
FIRST = (
    SAVE
    + """
best = keras.callbacks.ModelCheckpoint("best.keras", monitor="loss", save_best_only=True)
backup = keras.callbacks.BackupAndRestore("backup")
model.fit(x, x[:, :1], epochs=2, verbose=0, callbacks=[best, backup])
model.save("model.keras")
model.save("new/model.h5")
model.save("model.h5")
model.save_weights("model.weights.h5")
keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda t: t + 1)]).save("lambda.keras")
attempt("keras", lambda: keras.saving.load_model("model.keras"))
attempt("best", lambda: keras.saving.load_model("best.keras"))
attempt("h5", lambda: keras.saving.load_model("model.h5", compile=False))
attempt("weights", lambda: model.load_weights("model.weights.h5"))
attempt("lambda", lambda: keras.saving.load_model("lambda.keras", safe_mode=False))
attempt("lambda-safe", lambda: keras.saving.load_model("lambda.keras"))
for name in ("model.keras", "model.h5"):
    data = open(name, "rb").read()
    open(f"changed-{name}", "wb").write(data.replace(b'"relu"', b'"tanh"'))
attempt("changed-keras", lambda: keras.saving.load_model("changed-model.keras"))
attempt("changed-h5", lambda: keras.saving.load_model("changed-model.h5"))
import h5py
def exchanged(save, evil):
    # Whoever may write to the folder puts another one in the place of ours, while Keras saves.
    write = h5py.File.close
    def close(file):
        folder = os.path.dirname(str(file.filename))
        write(file)
        if os.path.basename(folder).startswith(".weighlock-"):
            os.rename(folder, "moved")
            os.mkdir(folder)
            open(os.path.join(folder, "exchanged.h5"), "wb").write(evil)
    h5py.File.close = close
    try:
        save()
    finally:
        h5py.File.close = write
evil = open("changed-model.h5", "rb").read()
exchanged(lambda: model.save("exchanged.h5"), evil)
open("evil.h5", "wb").write(evil)
attempt("exchanged", lambda: keras.saving.load_model("evil.h5"))
attempt("saved-all-the-same", lambda: h5py.File("exchanged.h5").close())
h5py.File("new/model.h5", "r+").attrs["model_config"] = "{}"
attempt("written-over", lambda: keras.saving.load_model("new/model.h5"))
"""
)
LATER = (
    SAVE
    + """
attempt("keras", lambda: keras.saving.load_model("model.keras"))
attempt("weights", lambda: model.load_weights("model.weights.h5"))
"""
)


def answers(bench: Workbench, code: str, state) -> dict[str, str]:
    bench.policy("trust-saved = true\n")
    bench.write_lock()
    done = bench.run(code, WEIGHLOCK_LOCK=str(bench.folder / "models.lock"), WEIGHLOCK_STATE=str(state))
    assert done.returncode == 0, done.stderr
    lines = [line.split(maxsplit=2) for line in done.stdout.splitlines() if line.startswith(("LOADED", "STOPPED"))]
    return {name: f"{what} {rest}" for what, name, rest in lines}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    bench, state = Workbench(folder), tmp_path_factory.mktemp("state")
    first = answers(bench, FIRST, state)
    later = answers(bench, LATER, state)
    other = Workbench(tmp_path_factory.mktemp("other"))
    for name in ("model.keras", "model.weights.h5"):
        (other.folder / name).write_bytes((folder / name).read_bytes())
    return {"first": first, "later": later, "other": answers(other, LATER, state)}


@pytest.mark.parametrize("way", ["keras", "best", "h5", "weights", "lambda"])
def test_what_was_saved_loads_again(run, way):
    assert run["first"][way].startswith("LOADED")


def test_it_loads_in_another_process_of_the_project(run):
    assert all(answer.startswith("LOADED") for answer in run["later"].values()), run["later"]


def test_it_does_not_load_in_another_project(run):
    assert all(answer.startswith("STOPPED LoadRefused") for answer in run["other"].values()), run["other"]


@pytest.mark.parametrize("way", ["changed-keras", "changed-h5", "written-over"])
def test_what_was_changed_since_does_not_load(run, way):
    assert run["first"][way].startswith("STOPPED LoadRefused")


def test_a_folder_that_was_exchanged_while_it_was_saved_into_makes_nothing_trusted(run):
    assert run["first"]["exchanged"].startswith("STOPPED LoadRefused")
    assert run["first"]["saved-all-the-same"].startswith("LOADED")


def test_code_that_one_saved_oneself_still_needs_the_programs_word(run):
    assert run["first"]["lambda-safe"].startswith("STOPPED ValueError")
