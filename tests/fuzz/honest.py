"""The pickles of the data-only corpus that are plain pickles, for the fuzzer to mutate.

``python -m tests.fuzz.honest FILE`` writes them, in a process that imported nothing else: what another library told
pickle would make other files of them, and a seed would not mean the same streams any more.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

from tests.fuzz.generator import tokens

_ROOT = Path(__file__).resolve().parents[2]


def write_honest(path: Path) -> None:
    """Write them in a child process."""
    paths = os.pathsep.join([str(_ROOT), str(_ROOT / "src")])
    command = [sys.executable, "-W", "ignore", "-m", "tests.fuzz.honest", str(path)]
    subprocess.run(command, cwd=_ROOT, env={**os.environ, "PYTHONPATH": paths}, check=True, timeout=240)


def _write(path: Path) -> None:
    from tests.corpus import benign

    honest = []
    for case in benign.cases():
        if case.name.endswith((".pkl", ".pickle")) and case.data[:1] in b"\x80(]}cSVKL" and len(case.data) < 50_000:
            try:
                honest.append(tokens(case.data))
            except ValueError:
                continue  # several pickles, or arrays in the stream
    path.write_bytes(pickle.dumps(honest))


if __name__ == "__main__":
    _write(Path(sys.argv[1]))
