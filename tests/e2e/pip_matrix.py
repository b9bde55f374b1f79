"""Prove for each pip that nothing of a package runs before the verdict: ``python tests/e2e/pip_matrix.py``.

Each version is put into a folder of its own below ``.venv-matrix``. The suite tries the oldest and the newest one only,
see ``test_pip_bypasses.py``.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.e2e import matrix
from tests.e2e.pip_bypasses import Way, Workbench, failures
from weighlock.demo.index import LoopbackIndex

VERSIONS = ("23.0", "23.3.2", "24.0", "24.3.1", "25.0.1", "25.3", "26.0", "26.1", "26.3")


def provide(version: str) -> Path:
    """Return a folder with that pip.

    Raises:
        matrix.NoIndexError: It is missing and no package index answers.
    """
    return matrix._provide(matrix.FOLDER / f"pip-{version}", (f"pip=={version}",))


def attempt(version: str) -> list[str]:
    """Try every way under that pip, and that the marker works and an honest request is answered."""
    with LoopbackIndex() as index, tempfile.TemporaryDirectory() as folder:
        bench = Workbench(Path(folder), index, provide(version))
        failed = failures(bench)
        bench.close()
        if not bench.plain(Way("the URL of an sdist", [f"marker @ {bench.url}"])):
            failed.append("plain pip ran nothing, so that the marker proves nothing")
        came = bench.ask(Way("a wheel", ["plain"]))
        if came != "plain==1.0":
            failed.append(f"a wheel: {came}")
    return failed


def main() -> int:
    """Try all versions.

    Returns:
        1 where something ran.
    """
    broken = 0
    for version in VERSIONS:
        failed = attempt(version)
        print(f"pip {version}: {'nothing ran' if not failed else 'RAN OR WENT WRONG'}", flush=True)  # noqa: T201
        for line in failed:
            print(f"  {line}", flush=True)  # noqa: T201
        broken += bool(failed)
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
