"""Run the tests of the hooks for TensorFlow, which is too large for the environment of the tests.

``python tests/e2e/tensorflow_matrix.py [PYTEST-ARGUMENT…]`` makes an environment below ``.venv-matrix`` with TensorFlow
and with what the guard and these tests need, and runs there what is marked ``tensorflow``. Where no index has
TensorFlow for this Python, it says so and skips them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.e2e.matrix import FOLDER, ROOT, NoIndexError, install

REQUIREMENTS = (
    "tensorflow-cpu>=2.21; sys_platform == 'linux'",
    "tensorflow>=2.21; sys_platform != 'linux'",
    "click",
    "huggingface_hub>=2.4",
    "hypothesis",
    "packaging",
    "platformdirs",
    "pytest>=9.2",
    "pytest-timeout",
    "rich",
    "safetensors",
)

LEGACY = ("tf-keras>=2.21",)
"""Keras 2; it asks for another distribution of TensorFlow than the one that is there."""


def provide() -> Path:
    """Return the interpreter of the environment, made where it is missing.

    Raises:
        NoIndexError: It is missing and no package index answers.
    """
    folder = FOLDER / "tensorflow"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if python.exists():
        return python
    FOLDER.mkdir(exist_ok=True)
    try:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        install(REQUIREMENTS, python=str(python))
        install(LEGACY, "--no-deps", python=str(python))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return python


def main(arguments: list[str]) -> int:
    """Run the tests; without an index they are skipped with a notice."""
    try:
        python = provide()
    except NoIndexError as error:
        print(f"tensorflow: skipped: {error}")  # noqa: T201 - a script
        return 0
    places = [str(ROOT / "tests" / "runtime" / "hooks" / name) for name in ("test_tensorflow.py", "test_tf_keras.py")]
    command = [str(python), "-m", "pytest", "-m", "tensorflow", "-p", "no:cacheprovider", *places, *arguments]
    variables = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(command, cwd=ROOT, env=variables, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
