"""How long the content of a large wheel takes to examine: `python -m bench.content` writes `results/content.json`.

The wheel is the newest one of transformers, from the index that pip is set up for; without one nothing is measured.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from bench.row import Row, report
from bench.wheelhouse import fetch

PART = "content"
_NAME = "content check: the transformers wheel"
_BAR = 1.5
_ROUNDS = 7
_EXAMINE = """
import json, sys, time
from weighlock.gates.examine import WheelJob, examine_wheels
if __name__ == "__main__":
    start = time.perf_counter()
    [found] = examine_wheels([WheelJob(path=sys.argv[1], filename=sys.argv[2])])
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "outcome": str(found.inspection.outcome), "bytes": found.profile.size}))
"""


def measure(folder: Path) -> list[Row]:
    """Measure the row.

    Args:
        folder: Empty.
    """
    wheels = fetch(["transformers"], folder)
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    method = f"The gate's own call in a fresh process, the start of its workers included; median; {processors} cores"
    if not wheels:
        return [Row(part=PART, name=_NAME, bar=f"<= {_BAR} s", measured="no index", method=method, met=None)]
    script = folder / "examine.py"
    script.write_text(_EXAMINE, encoding="utf-8")
    runs = [_run(script, wheels[0]) for _ in range(_ROUNDS)]
    seconds = statistics.median(run["seconds"] for run in runs)
    megabytes = runs[0]["bytes"] / 1e6
    return [
        Row(
            part=PART,
            name=_NAME,
            bar=f"<= {_BAR} s",
            measured=f"{seconds:.2f} s ({megabytes:.0f} MB unpacked, {runs[0]['outcome']})",
            method=method,
            met=seconds <= _BAR,
            numbers={"runs": runs, "wheel": wheels[0].name},
        )
    ]


def _run(script: Path, wheel: Path) -> dict[str, float]:
    source = str(Path(__file__).resolve().parents[1] / "src")
    command = [sys.executable, str(script), str(wheel), wheel.name]
    ran = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": source}, check=True, capture_output=True, text=True, timeout=600
    )
    result: dict[str, float] = json.loads(ran.stdout)
    return result


if __name__ == "__main__":
    report(PART, measure)
