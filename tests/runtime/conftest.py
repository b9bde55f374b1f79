"""The guard in this process, and in child interpreters, with a lockfile of its own."""

from __future__ import annotations

import gc
import hashlib
import os
import pickle
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

import weighlock.runtime
from tests.runtime.payload import Payload
from tests.runtime.swept import COLLECTOR
from tests.runtime.venvs import SOURCE, Venv
from weighlock.formats.source import BytesSource
from weighlock.inspector import inspect
from weighlock.lockfile import LockedFile, LockedModel, Lockfile, PathSource
from weighlock.runtime import _sweep


class Workbench:
    """A project folder, its lockfile and policy, and the guard."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.marker = folder / "marker"
        self._files: list[LockedFile] = []
        self.policy()

    @property
    def payload(self) -> bytes:
        """A pickle that makes the marker."""
        return pickle.dumps(Payload(self.marker))

    def policy(self, text: str = "") -> None:
        """Write the policy. Unless it says otherwise, what a test saves itself counts as a file from elsewhere."""
        untrusted = "" if "trust-saved" in text else "trust-saved = false\n"
        (self.folder / "weighlock.toml").write_text(untrusted + text)

    def lock(self, path: str | Path, data: bytes | None = None, **facts) -> LockedFile:
        """Put a file into the lockfile, as data only unless told otherwise."""
        data = Path(self.folder, path).read_bytes() if data is None else data
        if imports := inspect(BytesSource(data)).imports:
            facts = {"outcome": "data-only", "imports": imports, **facts}
        entry = LockedFile(path=Path(path).name, size=len(data), sha256=hashlib.sha256(data).hexdigest())
        self._files.append(replace(entry, **{key: facts[key] for key in facts}))
        self.write_lock()
        return entry

    def write_lock(self) -> Path:
        """Write the lockfile, also an empty one."""
        models = tuple(
            LockedModel(name=f"model-{n}", source=PathSource(path=f"m{n}"), files=(file,))
            for n, file in enumerate(self._files)
        )
        path = self.folder / "models.lock"
        path.write_text(Lockfile(models=models).dumps())
        return path

    def guard(self, mode: str = "enforce") -> None:
        """Switch the guard on in this process."""
        self.write_lock()
        weighlock.runtime.install(
            mode=mode, lock=str(self.folder / "models.lock"), policy=str(self.folder / "weighlock.toml")
        )

    def run(self, code: str, *options: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a script in a child interpreter, which is not guarded unless the script or an option says so."""
        script = self.folder / "script.py"
        script.write_text(textwrap.dedent(code))
        return self.start(*(options or (sys.executable, str(script))), **environ)

    def start(self, *command: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the project folder."""
        paths = os.pathsep.join(filter(None, (str(SOURCE), os.environ.get("PYTHONPATH"))))
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": paths, **environ},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )


@pytest.fixture(scope="module", autouse=True)
def _swept():
    """Let the guard start quickly, see `tests.runtime.swept`."""
    COLLECTOR.set_aside()
    _sweep.gc = COLLECTOR
    yield
    _sweep.gc = gc


@pytest.fixture
def bench(tmp_path, monkeypatch):
    environ = dict(os.environ)
    monkeypatch.chdir(tmp_path)
    yield Workbench(tmp_path)
    weighlock.runtime.uninstall()
    os.environ.clear()
    os.environ.update(environ)


@pytest.fixture
def venv(tmp_path):
    return Venv(tmp_path, SOURCE)
