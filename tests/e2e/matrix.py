"""Run the Hub tests under every supported generation of huggingface_hub, and look for choke points in other versions.

``python tests/e2e/matrix.py [PYTEST-ARGUMENT…]`` puts each version into a folder of its own below ``.venv-matrix``
and in front of the environment's packages; everything else, torch first of all, is the environment's own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
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

VISION = ("timm==1.0.31", "torchvision==0.28.0")

# What pip says where no index answers or none has the package; anything else is a failure of the test.
NO_INDEX = ("No matching distribution found", "Could not find a version", "Connection", "ConnectTimeout", "Network is")


class NoIndexError(Exception):
    """No package index answers, so that a version cannot be installed."""


def provide(version: str) -> Path | None:
    """Return the folder with that version, installed where it is missing; None where the environment has it.

    Raises:
        NoIndexError: It is missing and no package index answers.
    """
    if installed_version("huggingface_hub") == version:
        return None
    return _provide(FOLDER / f"hub-{version}", VERSIONS[version])


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


def environment(version: str) -> dict[str, str]:
    """Return the variables under which an interpreter imports that version.

    Raises:
        NoIndexError: It is missing and no package index answers.
    """
    folder = provide(version)
    paths = [str(folder)] if folder else []
    inherited = os.environ.get("PYTHONPATH")
    paths += [inherited] if inherited else []
    return {"PYTHONPATH": os.pathsep.join(paths)} if paths else {}


def run(version: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the tests that are marked ``hub`` under that version.

    Raises:
        NoIndexError: It is missing and no package index answers.
    """
    command = [sys.executable, "-m", "pytest", "-m", "hub", str(ROOT / "tests"), *arguments]
    variables = {**os.environ, **environment(version)}
    return subprocess.run(command, env=variables, cwd=ROOT, capture_output=True, text=True, check=False)


def _choke_points() -> int:
    """Say which versions of the libraries have every choke point of the guard."""
    sys.path.insert(0, str(ROOT))
    from tests.e2e.choke_points import report

    lines, failed = report(FOLDER / "wheels")
    print("\n".join(lines), flush=True)  # noqa: T201 - a script
    return int(failed)


def main(arguments: list[str]) -> int:
    """Run the Hub tests under each version; a version that no index has is skipped with a notice."""
    failed = 0
    if not arguments or arguments == ["--choke-points"]:
        failed |= _choke_points()
    if arguments == ["--choke-points"]:
        return failed
    for version in VERSIONS:
        try:
            done = run(version, *arguments)
        except NoIndexError as error:
            print(f"huggingface_hub {version}: skipped: {error}")  # noqa: T201 - a script
            continue
        print(f"huggingface_hub {version}:\n{done.stdout}{done.stderr}", flush=True)  # noqa: T201 - a script
        failed |= done.returncode
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
