"""Other scanners, measured on the same files in the same run, each by the quickest form of its API inside one process.

``python -m bench.peers`` makes their environment. The same file is then run by that environment's interpreter as
``peers.py measure TOOL FOLDER ROUNDS``; it prints the seconds of each round as JSON. Importing the tool and one pass
to warm up are not counted. A file that a tool fails on is counted as scanned.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import subprocess
import sys
import time
import venv
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / ".venv-peers"
PACKAGES = ("picklescan", "modelscan", "fickling")
_NEEDED = ("typing_extensions",)  # fickling imports it and does not ask for it
METHOD = {
    "picklescan": "picklescan.scanner.scan_file_path(path)",
    "modelscan": "one modelscan.modelscan.ModelScan(), its scan(path)",
    "fickling": "fickling.is_likely_safe(path)",
}


def interpreter() -> Path:
    """Return the interpreter of the environment of the other scanners; make it when it is not there."""
    python = HOME / "bin" / "python"
    if not (HOME / ".complete").exists():
        venv.create(HOME, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES, *_NEEDED], check=True)
        (HOME / ".complete").touch()
    return python


def measure(tool: str, folder: Path, rounds: int) -> dict[str, object]:
    """Let one tool scan a folder in its own environment.

    Args:
        tool: One of `PACKAGES`.
        folder: Its files are scanned one by one.
        rounds: How often.
    """
    command = [str(interpreter()), __file__, "measure", tool, str(folder), str(rounds)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True, timeout=3600)
    result: dict[str, object] = json.loads(ran.stdout.splitlines()[-1])
    return result


def _scanner(tool: str) -> Callable[[str], object]:
    scanner: Callable[[str], object]
    if tool == "picklescan":
        from picklescan.scanner import scan_file_path

        scanner = scan_file_path
    elif tool == "modelscan":
        from modelscan.modelscan import ModelScan

        scanner = ModelScan().scan
    else:
        import fickling

        scanner = fickling.is_likely_safe
    return scanner


def _measure(tool: str, folder: str, rounds: int) -> dict[str, object]:
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    scan = _scanner(tool)
    paths = sorted(entry.path for entry in os.scandir(folder) if entry.is_file())
    seconds, failed = [], 0
    for number in range(rounds + 1):
        failed = 0
        start = time.perf_counter()
        for path in paths:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                try:
                    scan(path)
                except Exception:  # noqa: BLE001  # what a tool cannot read counts as scanned, in its favour
                    failed += 1
        if number:
            seconds.append(time.perf_counter() - start)
    import importlib.metadata

    return {"version": importlib.metadata.version(tool), "files": len(paths), "seconds": seconds, "failed": failed}


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        sys.stdout.write(json.dumps(_measure(sys.argv[2], sys.argv[3], int(sys.argv[4]))) + "\n")
    else:
        sys.stdout.write(f"{interpreter()}\n")
