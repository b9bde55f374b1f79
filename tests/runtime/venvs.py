"""A throw-away environment for the guard."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import weighlock
from weighlock.runtime import _site

SOURCE = pathlib.Path(weighlock.__file__).parent.parent

UNDECIDED = 2

ATTACK = """
import os, pickle, sys
class Payload:
    def __reduce__(self):
        return os.mkdir, ("marker",)
try:
    pickle.loads(pickle.dumps(Payload()))
except BaseException as refusal:
    print(type(refusal).__name__)
else:
    print("ran")
"""


class Venv:
    """A throw-away environment without weighlock in it, and a project in its folder."""

    def __init__(self, folder, weighlock_at):
        self.folder = folder
        self.weighlock_at = weighlock_at
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
        self.python = str(folder / "venv" / "bin" / "python")
        self.site = next((folder / "venv" / "lib").glob("python*")) / "site-packages"
        (folder / "attack.py").write_text(ATTACK)

    def lock(self, text='lock-version = "1.0"\ncreated-by = "weighlock"\nmodels = []\n'):
        (self.folder / "models.lock").write_text(text)

    def write(self, **recorded):
        recorded = {"mode": None, "lock": None, "policy": None, **recorded}
        _site.write(_site.start_up_files(str(self.site), str(self.weighlock_at), **recorded))

    def run(self, *arguments, cwd=None, **environ):
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("WEIGHLOCK_", "PYTHON", "COV"))}
        return subprocess.run(
            [self.python, *arguments],
            cwd=cwd or self.folder,
            env={**clean, **environ},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def cli(self, *arguments, **environ):
        clean = {k: v for k, v in os.environ.items() if not k.startswith("WEIGHLOCK_")}
        return subprocess.run(
            [sys.executable, "-m", "weighlock", *arguments],
            cwd=self.folder,
            env={**clean, "PYTHONPATH": str(SOURCE), **environ},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
