"""Run the tests of a library's hooks under other versions of it, and look for choke points in still others.

``python tests/e2e/matrix.py [PYTEST-ARGUMENT…]`` puts each version into a folder of its own below ``.venv-matrix``
and in front of the environment's packages; everything else, torch first of all, is the environment's own. It runs

- all tests that are marked ``hub`` under each generation of huggingface_hub,
- the tests of safetensors under each older version of it,
- without arguments, or with ``--choke-points`` alone: the look at the choke points, see `tests.e2e.choke_points`.

The suite runs a sample of these only, see ``test_matrix.py``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from functools import partial
from importlib.metadata import version as installed_version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".venv-matrix"

# What each version needs beside the environment's packages, exactly, because pip is told to resolve nothing.
VERSIONS = {
    "0.30.2": ("huggingface_hub==0.30.2", "transformers==4.49.0", "tokenizers==0.21.4", "safetensors==0.5.3"),
    "0.36.2": ("huggingface_hub==0.36.2", "transformers==4.57.6", "tokenizers==0.22.2"),
    "1.33.0": ("huggingface_hub==1.33.0", "httpx==0.28.1", "httpcore==1.0.9"),
    "2.4.0": ("huggingface_hub==2.4.0",),
}

SAFETENSORS = ("0.4.5", "0.5.3", "0.6.2", "0.7.0")
SAFETENSORS_TESTS = ("test_safetensors.py", "test_safetensors_lazy.py")

# The last datasets that runs scripts, and the last pyarrow whose types may be pickles.
SCRIPTS = ("datasets==3.6.0", "evaluate==0.4.6", "pyarrow==20.0.0")

VISION = ("timm==1.0.31", "torchvision==0.28.0")

# What pip says where no index answers or none has the package; anything else is a failure of the test.
NO_INDEX = ("No matching distribution found", "Could not find a version", "Connection", "ConnectTimeout", "Network is")


class NoIndexError(Exception):
    """No package index answers, so that a version cannot be installed."""


def provide(version: str) -> Path | None:
    """Return the folder with that huggingface_hub, installed where it is missing; None where the environment has it.

    Raises:
        NoIndexError: It is missing and no package index answers.
    """
    if installed_version("huggingface_hub") == version:
        return None
    return _provide(FOLDER / f"hub-{version}", VERSIONS[version])


def provide_scripts() -> Path:
    """Return a folder with libraries whose data may be scripts.

    Raises:
        NoIndexError: It is missing and no package index answers.
    """
    return _provide(FOLDER / "scripts", SCRIPTS)


def provide_vision() -> Path:
    """Return a folder with timm and torchvision, which the environment must not have: others would try to import it.

    Raises:
        NoIndexError: It is missing and no package index answers.
    """
    return _provide(FOLDER / "vision", VISION)


def _provide(folder: Path, requirements: tuple[str, ...]) -> Path:
    if folder.is_dir():
        return folder
    FOLDER.mkdir(exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix="new-", dir=FOLDER))
    try:
        install(requirements, "--no-deps", "--target", str(staging))
        try:
            staging.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return folder


def install(requirements: tuple[str, ...], *options: str, python: str = sys.executable) -> None:
    """Let pip install, and tell the absence of an index from every other failure.

    Raises:
        NoIndexError: No package index answers.
        RuntimeError: pip failed in another way.
    """
    command = [python, "-m", "pip", "install", "--quiet", "--retries", "1", "--timeout", "20", *options, *requirements]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    if any(sign in done.stderr for sign in NO_INDEX):
        raise NoIndexError(f"no package index answers for {' '.join(requirements)}")
    raise RuntimeError(done.stderr)


def run(version: str, *arguments: str, files: Iterable[str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the tests that are marked ``hub`` under that version of huggingface_hub.

    Args:
        version: Which.
        arguments: More for pytest.
        files: Those of these files only.

    Raises:
        NoIndexError: It is missing and no package index answers.
        RuntimeError: Another version is what would be imported.
    """
    # Files without such tests are not even imported: where torch and keras are, each start of the guard takes longer.
    places = hub_files() if files is None else [str(ROOT / file) for file in files]
    return _run("huggingface_hub", version, provide(version), "-m", "hub", *places, *arguments)


def hub_files() -> list[str]:
    """Return the files that have tests for the Hub."""
    return sorted(str(path) for path in (ROOT / "tests").rglob("test_*.py") if "mark.hub" in path.read_text())


def run_safetensors(version: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the tests of safetensors under that version.

    Raises:
        NoIndexError: It is missing and no package index answers.
        RuntimeError: Another version is what would be imported.
    """
    folder = _provide(FOLDER / f"safetensors-{version}", (f"safetensors=={version}",))
    tests = [str(ROOT / "tests" / "runtime" / "hooks" / name) for name in SAFETENSORS_TESTS]
    return _run("safetensors", version, folder, *tests, *arguments)


def _run(library: str, version: str, folder: Path | None, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run pytest with a folder of packages in front of the environment's."""
    paths = [str(folder)] if folder else []
    paths += filter(None, [os.environ.get("PYTHONPATH")])
    variables = {**os.environ, **({"PYTHONPATH": os.pathsep.join(paths)} if paths else {})}
    start = partial(subprocess.run, env=variables, cwd=ROOT, capture_output=True, text=True, check=False)
    seen = start([sys.executable, "-c", f"import {library}; print({library}.__version__)"])
    if seen.stdout.strip() != version:
        raise RuntimeError(f"{library} {version} is not what is imported: {seen.stdout}{seen.stderr}")
    return start([sys.executable, "-m", "pytest", *arguments])


def _choke_points() -> int:
    """Say which versions of the libraries have every choke point of the guard."""
    sys.path.insert(0, str(ROOT))
    from tests.e2e.choke_points import report

    lines, failed = report(FOLDER / "wheels")
    print("\n".join(lines), flush=True)  # noqa: T201 - a script
    return int(failed)


def main(arguments: list[str]) -> int:
    """Run the tests under each version; a version that no index has is skipped with a notice."""
    failed = 0
    if not arguments or arguments == ["--choke-points"]:
        failed |= _choke_points()
    if arguments == ["--choke-points"]:
        return failed
    runs = [("safetensors", run_safetensors, version) for version in SAFETENSORS]
    runs += [("huggingface_hub", run, version) for version in VERSIONS]
    for library, start, version in runs:
        try:
            done = start(version, *arguments)
        except NoIndexError as error:
            print(f"{library} {version}: skipped: {error}")  # noqa: T201 - a script
            continue
        print(f"{library} {version}:\n{done.stdout}{done.stderr}", flush=True)  # noqa: T201 - a script
        failed |= done.returncode
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
