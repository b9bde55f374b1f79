"""Validators of CycloneDX that others wrote, installed once and kept."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
_ARGUMENTS = ["--no-save", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]


@pytest.fixture(scope="session")
def modules() -> Path:
    """Return a folder with the JavaScript validators; it is kept for as long as the lockfile says the same."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed, so two of three validators of CycloneDX cannot be asked")
    lock = hashlib.sha256((_HERE / "package-lock.json").read_bytes()).hexdigest()[:16]
    place = Path(tempfile.gettempdir(), f"weighlock-bom-validators-{os.getuid()}-{lock}")
    if not place.is_dir():
        _install(npm, place)
    if place.stat().st_uid != os.getuid():
        pytest.skip(f"{place} belongs to somebody else")
    return place


def _install(npm: str, place: Path) -> None:
    folder = Path(tempfile.mkdtemp(prefix="weighlock-npm-"))
    for name in ("package.json", "package-lock.json"):
        shutil.copy(_HERE / name, folder)
    done = subprocess.run(
        [npm, "install", *_ARGUMENTS], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode:
        shutil.rmtree(folder)
        pytest.skip(f"npm cannot install the validators of CycloneDX: {done.stderr.strip()[-300:]}")
    try:
        folder.rename(place)
    except OSError:  # another worker was faster
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def python_library():
    """Return the answer of cyclonedx-python-lib about a document: what is wrong, or nothing."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    def ask(path: Path) -> str | None:
        text = path.read_text(encoding="utf-8")
        version = SchemaVersion.from_version(json.loads(text)["specVersion"])
        wrong = JsonStrictValidator(version).validate_str(text)
        return None if wrong is None else str(wrong)

    return ask


@pytest.fixture(scope="session")
def javascript_library(modules):
    """Return the answers of the CycloneDX JavaScript library, by path."""

    def ask(*paths: Path) -> dict[str, object]:
        command = ["node", _HERE / "library.mjs", modules, *paths]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        return json.loads(done.stdout)

    return ask


@pytest.fixture(scope="session")
def cdx_validate(modules):
    """Return whether cdxgen's `cdx-validate` takes a document: its schema, its references and its package URLs."""

    def ask(path: Path) -> tuple[bool, bool]:
        report = path.with_suffix(".report")
        command = [modules / "node_modules" / ".bin" / "cdx-validate", "-i", path, "-r", "json", "-o", report]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert report.is_file(), done.stderr
        answer = json.loads(report.read_text(encoding="utf-8"))
        return answer["schemaValid"], answer["deepValid"]

    return ask


if sys.platform == "win32":
    collect_ignore_glob = ["test_*.py"]
