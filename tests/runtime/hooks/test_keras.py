"""`keras.saving` under the guard, with real models; the cases of one guard share an interpreter."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import zipfile

import h5py
import pytest

from tests.corpus.keras_files import keras_zip, layer, sequential
from tests.runtime.conftest import Workbench
from weighlock.formats.source import BytesSource
from weighlock.inspector import inspect

MODELS = """
import os
os.environ["KERAS_BACKEND"] = "torch"
import keras
import numpy as np

@keras.saving.register_keras_serializable("project")
class Scale(keras.layers.Layer):
    def __init__(self, by=2.0, **options):
        super().__init__(**options)
        self.by = by
    def call(self, inputs):
        return inputs * self.by
    def get_config(self):
        return {**super().get_config(), "by": self.by}

@keras.saving.register_keras_serializable("project")
class Subclass(keras.Model):
    def __init__(self, **options):
        super().__init__(**options)
        self.dense = keras.layers.Dense(2)
    def call(self, inputs):
        return self.dense(inputs)

def attempt(name, load):
    try:
        print("LOADED", name, type(load()).__name__)
    except BaseException as error:
        print("STOPPED", name, type(error).__name__, " ".join(str(error).split())[:600])
"""

WRITE = (
    MODELS
    + """
x = np.ones((4, 4), "float32")
plain = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3, "relu"), keras.layers.Dense(1)])
plain.compile("adam", "mse", metrics=["mae"])
plain.fit(x, x[:, :1], verbose=0)
plain.save("plain.keras")
plain.save("plain.h5")
plain.save_weights("plain.weights.h5")
plain.save_weights("shards.weights.json", max_shard_size=0.0000001)
plain.save("folder", zipped=False)
plain.save_weights("legacy.weights.h5")
inputs = keras.Input((4,))
keras.Model(inputs, keras.ops.relu(keras.layers.Dense(2)(inputs)) + 1).save("functional.keras")
keras.Sequential([inputs, Scale(3.0)]).save("custom.keras")
model = Subclass()
model(x)
model.save("subclass.keras")
code = lambda t: (__import__("os").mkdir(MARKERPATH), t)[1]
lam = keras.Sequential([inputs, keras.layers.Lambda(code)])
os.rmdir(MARKERPATH)  # building the model called it
lam.save("lambda.keras")
lam.save("lambda.h5")
"""
)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Write every model once, without the guard."""
    folder = tmp_path_factory.mktemp("keras")
    marker = folder / "ran"
    script = WRITE.replace("MARKERPATH", repr(str(marker)))
    done = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not marker.exists()
    return folder


@pytest.fixture
def models(bench, saved):
    """Put the models into the project, and return the marker that the code in one of them makes."""
    return copied(bench, saved)


def copied(bench, saved):
    shutil.copytree(saved, bench.folder, dirs_exist_ok=True)
    marker = saved / "ran"
    shutil.rmtree(marker, ignore_errors=True)
    return marker


def attempts(bench, code: str, before: str = "", **environ) -> dict[str, str]:
    """Run attempts in one guarded interpreter; the answers by their names."""
    bench.write_lock()
    done = bench.run(
        f"{before}\nimport weighlock.auto\n{MODELS}\n{code}",
        WEIGHLOCK_LOCK=str(bench.folder / "models.lock"),
        **environ,
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split(maxsplit=2) for line in done.stdout.splitlines() if line.startswith(("LOADED", "STOPPED"))]
    return {name: f"{what} {rest}" for what, name, rest in lines}


def lock(bench, *names: str, approve: bool = False) -> None:
    for name in names:
        facts = {}
        inspection = inspect(BytesSource((bench.folder / name).read_bytes()), name=name)
        if inspection.needs:
            facts = {"outcome": str(inspection.outcome), "needs": inspection.needs}
            if approve:
                facts["approved"] = inspection.needs
        bench.lock(name, **facts)


ALL = """
attempt("keras", lambda: keras.saving.load_model("plain.keras"))
attempt("alias", lambda: keras.models.load_model("plain.keras"))
attempt("unsafe", lambda: keras.models.load_model("plain.keras", safe_mode=False))
attempt("h5", lambda: keras.saving.load_model("plain.h5", compile=False))
attempt("functional", lambda: keras.saving.load_model("functional.keras"))
attempt("folder", lambda: keras.saving.load_model("folder"))
attempt("open", lambda: keras.src.saving.saving_lib.load_model(open("plain.keras", "rb")))
import h5py, io
attempt("memory", lambda: keras.src.saving.saving_lib.load_model(io.BytesIO(open("plain.keras", "rb").read())))
legacy = keras.src.legacy.saving.legacy_h5_format
attempt("h5py", lambda: legacy.load_model_from_hdf5(h5py.File("plain.h5"), compile=False))
model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(3, "relu"), keras.layers.Dense(1)])
attempt("weights", lambda: model.load_weights("plain.weights.h5"))
attempt("shards", lambda: model.load_weights("shards.weights.json"))
attempt("weights-of-archive", lambda: model.load_weights("plain.keras"))
attempt("weights-of-h5", lambda: model.load_weights("plain.h5"))
"""
NAMES = {
    "keras", "alias", "unsafe", "h5", "functional", "folder", "open", "memory", "h5py", "weights", "shards",
    "weights-of-archive", "weights-of-h5",
}  # fmt: skip
FILES = ("plain.keras", "plain.h5", "functional.keras", "plain.weights.h5")


def everything(bench):
    shards = [path.name for path in bench.folder.glob("shards*")]
    inside = [f"folder/{name}" for name in os.listdir(bench.folder / "folder")]
    return (*FILES, *shards, *inside)


@pytest.fixture(scope="module")
def answers(saved, tmp_path_factory):
    """Lock all models, approve one of two custom ones and nothing else, and try them in one interpreter."""
    bench = Workbench(tmp_path_factory.mktemp("locked"))
    marker = copied(bench, saved)
    lock(bench, *everything(bench), "lambda.keras", "lambda.h5", "subclass.keras")
    lock(bench, "custom.keras", approve=True)
    write_crafted(bench)
    found = attempts(bench, ALL + CRAFTED + LAMBDA)
    assert not marker.exists()
    assert not bench.marker.exists()
    return found


def write_crafted(bench) -> None:
    with h5py.File(bench.folder / "block.h5", "w", userblock_size=512) as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": {"name": "s", "layers": []}})
    bench.lock("block.h5", outcome="data-only", imports=())
    shards = bench.folder / "shards.weights.json"
    content = json.loads(shards.read_text())
    content["weight_map"] = dict.fromkeys(content["weight_map"], "../plain.weights.h5")
    (bench.folder / "elsewhere.weights.json").write_text(json.dumps(content))
    lock(bench, "elsewhere.weights.json")
    wrapper = layer("TorchModuleWrapper", module=base64.b64encode(bench.payload).decode())
    (bench.folder / "torch.keras").write_bytes(keras_zip(sequential(wrapper)))
    names = ("keras:TorchModuleWrapper",)
    bench.lock("torch.keras", outcome="needs-approval", imports=names, needs=names, approved=names)


CRAFTED = """
attempt("custom", lambda: keras.saving.load_model("custom.keras"))
attempt("subclass", lambda: keras.saving.load_model("subclass.keras"))
attempt("block", lambda: keras.saving.load_model("block.h5"))
attempt("elsewhere", lambda: model.load_weights("elsewhere.weights.json"))
attempt("torch", lambda: keras.saving.load_model("torch.keras", safe_mode=False))
"""
LAMBDA = """
attempt("lambda", lambda: keras.saving.load_model("lambda.keras"))
attempt("lambda-unsafe", lambda: keras.saving.load_model("lambda.keras", safe_mode=False))
attempt("lambda-h5", lambda: keras.saving.load_model("lambda.h5", safe_mode=False))
keras.config.enable_unsafe_deserialization()
attempt("lambda-global", lambda: keras.saving.load_model("lambda.keras"))
attempt("lambda-global-h5", lambda: keras.saving.load_model("lambda.h5"))
attempt("plain-global", lambda: keras.saving.load_model("plain.keras"))
"""


@pytest.mark.parametrize("way", sorted(NAMES))
def test_locked_models_load_in_every_way(answers, way):
    assert answers[way].startswith("LOADED")


def test_an_approved_custom_object_loads(answers):
    assert answers["custom"] == "LOADED Sequential"


def test_a_custom_object_that_nobody_approved_is_refused_by_its_name(answers):
    assert answers["subclass"].startswith("STOPPED LoadRefused")
    assert "keras:project>Subclass" in answers["subclass"]


@pytest.mark.parametrize("way", ["lambda", "lambda-unsafe", "lambda-h5", "lambda-global", "lambda-global-h5"])
def test_a_lambda_does_not_run_until_its_name_is_approved(answers, way):
    assert answers[way].startswith("STOPPED LoadRefused")
    assert "keras:Lambda" in answers[way]
    assert "hint: weighlock approve" in answers[way]


def test_a_program_without_safe_mode_loads_plain_models_all_the_same(answers):
    assert answers["plain-global"].startswith("LOADED")


def test_a_superblock_behind_other_bytes_is_not_searched_for(answers):
    assert "does not begin as an HDF5 file" in answers["block"]


def test_shards_in_other_folders_are_refused(answers):
    assert "leads to a file in another folder" in answers["elsewhere"]


def test_the_pickle_of_a_torch_module_may_import_only_what_is_approved(answers):
    assert answers["torch"].startswith("STOPPED LoadRefused")
    assert "posix.mkdir" in answers["torch"]


@pytest.fixture(scope="module")
def changed(saved, tmp_path_factory):
    """Change every locked file, and lock code as a release would have done that did not see it."""
    bench = Workbench(tmp_path_factory.mktemp("changed"))
    marker = copied(bench, saved)
    lock(bench, *everything(bench))
    for name in everything(bench):
        path = bench.folder / name
        data = path.read_bytes()
        path.write_bytes(data.replace(b'"relu"', b'"tanh"') if b'"relu"' in data else data[:-1] + b"\1")
    for name in ("lambda.keras", "lambda.h5"):
        bench.lock(name, outcome="data-only", imports=())
    early = f"{MODELS}\nearly = keras.saving.load_model\nfrom keras.models import load_model as other"
    code = 'attempt("early", lambda: early("plain.keras"))\nattempt("other", lambda: other("plain.h5"))'
    found = attempts(bench, f"{ALL}{code}{LAMBDA}", before=early)
    assert not marker.exists()
    return found


@pytest.mark.parametrize("way", sorted(NAMES))
def test_a_model_that_changed_is_refused(changed, way):
    assert changed[way].startswith("STOPPED LoadRefused")


@pytest.mark.parametrize("way", ["early", "other"])
def test_names_that_were_bound_before_the_guard_are_guarded(changed, way):
    assert changed[way].startswith("STOPPED LoadRefused")


@pytest.mark.parametrize("way", ["lambda", "lambda-unsafe", "lambda-h5", "lambda-global", "lambda-global-h5"])
def test_code_that_the_lock_does_not_know_of_does_not_run(changed, way):
    assert changed[way].startswith("STOPPED")


def test_an_approved_lambda_still_needs_the_programs_word(bench, models):
    lock(bench, "lambda.keras", approve=True)
    found = attempts(bench, LAMBDA.replace("lambda.h5", "lambda.keras"))
    assert found["lambda"].startswith("STOPPED ValueError")
    assert found["lambda-unsafe"].startswith("LOADED")
    assert models.exists()


def test_inspected_models_load_without_a_lock_entry_and_others_do_not(bench, models):
    bench.policy('unlocked = "inspect"')
    code = """
attempt("plain", lambda: keras.saving.load_model("plain.keras"))
attempt("lambda", lambda: keras.saving.load_model("lambda.keras", safe_mode=False))
attempt("custom", lambda: keras.saving.load_model("custom.keras"))
"""
    found = attempts(bench, code, WEIGHLOCK_POLICY=str(bench.folder / "weighlock.toml"))
    assert found["plain"].startswith("LOADED")
    assert "keras:Lambda" in found["lambda"]
    assert "keras:project>Scale" in found["custom"]
    assert not models.exists()


def test_what_keras_writes_is_what_the_inspector_names(saved):
    found = {
        path.name: inspect(BytesSource(path.read_bytes()), name=path.name) for path in saved.iterdir() if path.is_file()
    }
    assert {name: item.needs for name, item in found.items() if item.needs} == {
        "custom.keras": ("keras:project>Scale",),
        "lambda.h5": ("keras:Lambda",),
        "lambda.keras": ("keras:Lambda",),
        "subclass.keras": ("keras:project>Subclass",),
    }
    assert zipfile.is_zipfile(saved / "plain.keras")
    assert {found[name].format for name in ("plain.keras", "plain.h5")} == {"keras", "keras-h5"}
