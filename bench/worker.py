"""Children that load models, one round each time they are asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Self, TextIO, cast

ROOT = Path(__file__).parent.parent
_OURS = ("WEIGHLOCK_", "PYTHON")


class Worker:
    """A process that runs `bench.loads`; a context manager.

    Args:
        kind: What it does in a round.
        path: What it loads.
        environ: Its environment; the guard is active where this names a lockfile.
    """

    def __init__(self, kind: str, path: str, environ: dict[str, str]) -> None:
        guard = ["-m", "weighlock", "run"] if "WEIGHLOCK_LOCK" in environ else []
        self._process = subprocess.Popen(
            [sys.executable, *guard, "-m", "bench.loads", kind, path],
            env=environ,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._questions = cast("TextIO", self._process.stdin)
        self._answers = cast("TextIO", self._process.stdout)

    def __enter__(self) -> Self:
        self._answer()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def round(self) -> list[float]:
        """Do one round, and return the seconds of its parts."""
        self._questions.write("\n")
        self._questions.flush()
        return [float(seconds) for seconds in json.loads(self._answer())]

    def _answer(self) -> str:
        line = self._answers.readline()
        if not line:
            raise SystemExit(f"error: a child of the benchmark ended with {self._process.wait()}")
        return line


def unguarded_environ(folder: Path) -> dict[str, str]:
    """Return an environment without the guard, with caches of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    source = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    return {**kept, "PYTHONPATH": source, "XDG_CACHE_HOME": str(folder / "cache"), "HF_HOME": str(folder / "hf")}


def guarded_environ(folder: Path, lockfile: str, cache: str) -> dict[str, str]:
    """Return an environment for the guard, with that lockfile and a digest cache of that name."""
    return {
        **unguarded_environ(folder),
        "WEIGHLOCK_LOCK": str(folder / lockfile),
        "WEIGHLOCK_CACHE": str(folder / f"digests-{cache}"),
        "WEIGHLOCK_ROOT": str(folder),
    }
