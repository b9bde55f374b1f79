"""ONNX, GGUF and skops in interpreters of their own: saved, locked by the command line, loaded under the guard."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runtime.payload import Payload

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

SAVE = """
import warnings; warnings.simplefilter("ignore")
import pathlib
import numpy, onnx, skops.io
from onnx.external_data_helper import convert_model_to_external_data
from sklearn.linear_model import LinearRegression
from tests.fuzz.onnx_seeds import gguf_files
from onnx import TensorProto, helper, numpy_helper

weight = numpy_helper.from_array(numpy.ones((32, 32), "f4"), "w")
ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 32]) for name in "xy"]
graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", ends[:1], ends[1:], [weight])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
pathlib.Path("models").mkdir()
onnx.save(model, "models/model.onnx")
onnx.save(model, "models/large.onnx", save_as_external_data=True, location="large.data", size_threshold=0)
pathlib.Path("models/model.gguf").write_bytes(dict(gguf_files())["little.gguf"])
skops.io.dump(LinearRegression().fit(numpy.eye(3), numpy.arange(3.0)), "models/model.skops")
"""
LOAD = """
import warnings; warnings.simplefilter("ignore")
import numpy, onnx, onnxruntime, gguf, skops.io
from weighlock.errors import LoadRefused

ONES = {"x": numpy.ones((1, 32), "f4")}

def session(path):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, ONES)[0].sum()

TRUSTED = ["sklearn.linear_model._base.LinearRegression", "builtins.eval"]
LOADS = {
    "onnx": lambda: onnx.load("models/model.onnx").graph.name,
    "onnx-external": lambda: len(onnx.load("models/large.onnx").graph.initializer[0].raw_data),
    "session": lambda: session("models/model.onnx"),
    "session-external": lambda: session("models/large.onnx"),
    "gguf": lambda: len(gguf.GGUFReader("models/model.gguf").tensors),
    "skops": lambda: skops.io.load("models/model.skops", trusted=TRUSTED).predict(numpy.eye(3)).shape,
}
for name, load in LOADS.items():
    try:
        print(name, load())
    except LoadRefused:
        print(name, "refused")
"""
LOADED = {
    "onnx": "g",
    "onnx-external": "4096",
    "session": "1024.0",
    "session-external": "1024.0",
    "gguf": "2",
    "skops": "(3,)",
}


class Project:
    """A folder with models, a policy and a lockfile."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "weighlock.toml").write_text('trust-saved = false\nprofiles = ["scikit-learn"]\n')

    def start(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run an interpreter in the folder."""
        import os

        root = Path(__file__).resolve().parents[2]
        paths = os.pathsep.join([str(root / "src"), str(root)])
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": paths, "HF_HUB_OFFLINE": "1"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def loads(self) -> dict[str, str]:
        """Load everything under the guard, and say what came of it."""
        (self.folder / "load.py").write_text(LOAD)
        ran = self.start("-m", "weighlock", "run", "load.py")
        assert ran.returncode == 0, ran.stderr
        return dict(line.split(" ", 1) for line in ran.stdout.splitlines())


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("project"))
    ran = project.start("-c", SAVE)
    assert ran.returncode == 0, ran.stderr
    ran = project.start("-m", "weighlock", "lock", "./models")
    assert ran.returncode == 0, ran.stderr
    return project


def test_what_was_locked_loads(project):
    assert project.loads() == LOADED


def test_what_was_changed_does_not_load_and_nothing_in_it_runs(project):
    marker = project.folder / "marker"
    whole = {path: path.read_bytes() for path in (project.folder / "models").iterdir()}
    try:
        for path, data in whole.items():
            path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        (project.folder / "models" / "model.skops").write_bytes(pickle.dumps(Payload(marker)))
        assert project.loads() == dict.fromkeys(LOADED, "refused")
    finally:
        for path, data in whole.items():
            path.write_bytes(data)
    assert not marker.exists()
