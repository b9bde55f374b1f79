"""Environments without pip, which use the pip of this interpreter, and wheels that were judged."""

from __future__ import annotations

import os
import subprocess
import venv
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pip
import pytest

from weighlock.artifact import Digest, PackageFile
from weighlock.demo.packages import Package, wheel
from weighlock.sources.pip.install import Installed, install
from weighlock.sources.pip.interface import JudgedWheel, PipRequest
from weighlock.sources.pip.quarantine import InstallQuarantine

PIP_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(pip.__file__)))

RICH = {
    "alpha/__init__.py": "x = 1\n",
    "alpha/inner/__init__.py": "",
    "alpha/inner/data.bin": b"\0\1",
    "alpha_one.py": "y = 1\n",
    "alpha-1.0.data/scripts/al.sh": "#!/bin/sh\n",
    "alpha-1.0.data/scripts/al.py": "#!python\nx = 1\n",
    "alpha-1.0.data/data/share/alpha/a.txt": "hi\n",
    "alpha-1.0.data/headers/a.h": "int a;\n",
    "alpha-1.0.data/platlib/alpha/native.py": "z = 1\n",
}
ENTRY_POINTS = {"entry_points.txt": "[console_scripts]\nalpha = alpha:x\n\n[gui_scripts]\nAlpha-Window = alpha:x\n"}
ALPHA = wheel("alpha", "1.0", RICH, requires=["beta>=1"], dist_info=ENTRY_POINTS)
BETA = wheel("Beta", "2.0")
GAMMA = wheel("gamma", "3.0")
OLD_ALPHA = wheel(
    "alpha", "0.9", {"alpha/__init__.py": "x = 0\n", "alpha/gone.py": "", "alpha_old.py": "", "alpha/inner.py": ""}
)


class Environment:
    """A virtual environment.

    Args:
        folder: Its place.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = str(folder / "bin" / "python")

    @property
    def packages(self) -> Path:
        return next((self.folder / "lib").glob("python3.*")) / "site-packages"

    def plain_pip(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run pip as a user does who has no weighlock."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
        return subprocess.run(
            [
                self.python,
                os.path.join(PIP_FOLDER, "pip", "__pip-runner__.py"),
                "--disable-pip-version-check",
                *arguments,
            ],
            env={**kept, "PIP_CONFIG_FILE": os.devnull},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def content(self) -> dict[str, bytes]:
        """Return every file, with the place of the environment taken out of it, and every folder."""
        found = {}
        for parent, folders, files in os.walk(self.folder):
            for name in folders:
                found[os.path.relpath(os.path.join(parent, name), self.folder) + "/"] = b""
            for name in files:
                path = os.path.join(parent, name)
                mode = oct(os.lstat(path).st_mode).encode()
                body = os.readlink(path).encode() if os.path.islink(path) else Path(path).read_bytes()
                if name.endswith(".pyc"):
                    body = b""  # holds when its source was written
                found[os.path.relpath(path, self.folder)] = mode + body.replace(bytes(self.folder), b"@")
        return found


@pytest.fixture
def environment(tmp_path: Path) -> Callable[[str], Environment]:
    def make(name: str = "venv") -> Environment:
        venv.create(tmp_path / name, with_pip=False)
        return Environment(tmp_path / name)

    return make


@pytest.fixture
def quarantine() -> Iterator[Path]:
    with InstallQuarantine() as folder:
        yield folder


def judged(package: Package, folder: Path, **facts: object) -> JudgedWheel:
    """Put a wheel into a quarantine as if it had been admitted."""
    path = folder / package.filename
    path.write_bytes(package.data)
    version = package.filename.split("-")[1]
    artifact = PackageFile(
        name=package.project, version=version, filename=package.filename, digest=Digest.sha256(package.sha256)
    )
    return JudgedWheel(path=path, artifact=artifact, **facts)


def put(environment: Environment, wheels: Iterable[JudgedWheel], quarantine: Path, *installing: str) -> Installed:
    """Install them."""
    request = PipRequest(python=environment.python, resolving=(), installing=installing)
    return install(list(wheels), request, quarantine)
