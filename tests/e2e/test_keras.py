"""Keras from the save to the load, with the commands that people type."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.runtime.venvs import SOURCE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

SAVE = """
import os
os.environ["KERAS_BACKEND"] = "torch"
import keras
inputs = keras.Input((4,))
plain = keras.Sequential([inputs, keras.layers.Dense(2, "relu")])
plain.save("models/plain.keras")
plain.save("models/plain.h5")
keras.Sequential([inputs, keras.layers.Lambda(lambda x: x + 1)]).save("models/lambda.keras")
"""
LOAD = """
import os
os.environ["KERAS_BACKEND"] = "torch"
import keras
for name in ("plain.keras", "plain.h5", "lambda.keras"):
    try:
        model = keras.saving.load_model(f"models/{name}", safe_mode=False)
        print("LOADED", name, tuple(model(keras.ops.ones((1, 4))).shape))
    except BaseException as error:
        print("STOPPED", name, type(error).__name__, " ".join(str(error).split()))
"""


class Project:
    def __init__(self, folder):
        self.folder = folder
        (folder / "models").mkdir()
        (folder / "weighlock.toml").write_text("trust-saved = false\n")

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        paths = os.pathsep.join(filter(None, (str(SOURCE), os.environ.get("PYTHONPATH"))))
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": paths},
            capture_output=True,
            text=True,
            check=False,
        )

    def weighlock(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.python("-m", "weighlock", *arguments)

    def load(self) -> dict[str, str]:
        (self.folder / "load.py").write_text(LOAD)
        done = self.weighlock("run", "load.py")
        assert done.returncode == 0, done.stderr
        lines = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
        return {name: f"{what} {rest}" for what, name, rest in lines}


def test_saved_locked_loaded_approved_and_tampered_with(tmp_path):
    project = Project(tmp_path)
    done = project.python("-c", SAVE)
    assert done.returncode == 0, done.stderr
    done = project.weighlock("lock", "./models")
    assert "keras:Lambda" in done.stdout, done.stderr
    found = project.load()
    assert found["plain.keras"] == found["plain.h5"] == "LOADED (1, 2)"
    assert found["lambda.keras"].startswith("STOPPED LoadRefused")
    assert "weighlock approve" in found["lambda.keras"]

    done = project.weighlock("approve", "./models/lambda.keras", "--import", "keras:Lambda", "--yes")
    assert done.returncode == 0, done.stderr
    for name in ("plain.keras", "plain.h5"):
        path = tmp_path / "models" / name
        path.write_bytes(path.read_bytes().replace(b'"relu"', b'"tanh"'))
    found = project.load()
    assert found["lambda.keras"] == "LOADED (1, 4)"
    assert found["plain.keras"].startswith("STOPPED LoadRefused")
    assert found["plain.h5"].startswith("STOPPED LoadRefused")
