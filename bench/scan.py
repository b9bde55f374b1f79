"""The scan rows: files per second beside other scanners, and time and memory on large and hostile files.

``python -m bench.scan`` writes ``bench/results/scan.json``; ``--only PART`` writes a file of its own.
``--rounds N`` (5) says how often; medians are taken.

Method: everything in one run on one machine. Files per second: each tool in a process of its own goes through the
data-only corpus one file after the other, imports and a pass to warm up not counted. Large files: a fresh child
process per measurement, its start-up and imports not counted in the time, its peak resident memory taken from
``getrusage``, imports included. Cold start: wall time of ``weighlock scan`` of one small file, start to exit.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import hostile, peers
from bench.row import Row, write

ROOT = Path(__file__).resolve().parents[1]
_MEGA = 1 << 20
_MEMORY = 64 * _MEGA
_SEPARATE = "A child process per measurement: time without start-up and imports, peak resident memory with them; median"

#: What is measured on each large file, and how many seconds it may take. What is not here is a zip of opcodes.
_LARGE = {
    "torch-zip-1gb": ("1 GB torch zip", 0.2),
    "one-bytes-1gb": ("1 GB pickle of one bytes object", 0.3),
    "opcodes-batches": ("10 MB of 5 million numbers, in batches of 1,000", 1.5),
    "opcodes-one-run": ("10 MB of 5 million numbers, in one run", 1.5),
    "opcodes-mixed": ("10 MB of mixed small opcodes", 1.5),
}
_ZIP_SECONDS = 10

_RATE = """
import json, os, sys, time
from weighlock.formats.source import FileSource
from weighlock.inspector import inspect
paths = sorted(entry.path for entry in os.scandir(sys.argv[1]) if entry.is_file())
seconds = []
for number in range(int(sys.argv[2]) + 1):
    start = time.perf_counter()
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        inspect(FileSource(descriptor, os.fstat(descriptor).st_size))
        os.close(descriptor)
    if number:
        seconds.append(time.perf_counter() - start)
print(json.dumps({"files": len(paths), "seconds": seconds, "failed": 0}))
"""

_SINGLE = """
import json, os, resource, sys, time
from weighlock.formats.source import FileSource
from weighlock.inspector import inspect
descriptor = os.open(sys.argv[1], os.O_RDONLY)
start = time.perf_counter()
inspection = inspect(FileSource(descriptor, os.fstat(descriptor).st_size))
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"seconds": seconds, "peak": peak, "outcome": str(inspection.outcome)}))
"""


def _python(code: str, *arguments: str) -> dict[str, Any]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", code, *arguments]
    ran = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=3600)
    result: dict[str, Any] = json.loads(ran.stdout)
    return result


def rates(folder: Path, rounds: int) -> dict[str, Any]:
    """Measure files per second of each tool on the data-only corpus."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.corpus.build", str(folder), "benign"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    corpus = folder / "benign"
    measured: dict[str, dict[str, Any]] = {"weighlock": _python(_RATE, str(corpus), str(rounds))}
    measured |= {tool: peers.measure(tool, corpus, rounds) for tool in peers.PACKAGES}
    for result in measured.values():
        result["files_per_second"] = result["files"] / statistics.median(result["seconds"])
    quickest = max(measured[tool]["files_per_second"] for tool in peers.PACKAGES)
    ratio = measured["weighlock"]["files_per_second"] / quickest
    return {"tools": measured, "ratio_to_quickest": ratio, "method": peers.METHOD}


def large(folder: Path, rounds: int) -> dict[str, Any]:
    """Measure time and peak memory on each large or hostile file, which is removed again."""
    measured = {}
    for name in hostile.LARGE:
        path = folder / name
        # In a child: the peak memory of later children counts what their parent held when it forked.
        subprocess.run([sys.executable, "-m", "bench.hostile", name, path], cwd=ROOT, check=True)
        size = path.stat().st_size
        runs = [_python(_SINGLE, str(path)) for _ in range(rounds)]
        path.unlink()
        measured[name] = {
            "size": size,
            "outcome": runs[0]["outcome"],
            "seconds": statistics.median(run["seconds"] for run in runs),
            "peak": max(run["peak"] for run in runs),
        }
    return measured


def cold_start(folder: Path, rounds: int) -> dict[str, float]:
    """Measure the command line on one small file, and the bare interpreter beside it."""
    path = folder / "small.pkl"
    path.write_bytes(b"\x80\x04]\x94(K\x01K\x02e.")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    commands = {
        "weighlock": [sys.executable, "-m", "weighlock", "scan", str(path)],
        "python": [sys.executable, "-c", "pass"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds * 4):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run(command, env=environment, check=True, capture_output=True)
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def rate_row(results: dict[str, Any]) -> Row:
    """Make the row of files per second."""
    tools, ratio = results["tools"], results["ratio_to_quickest"]
    shown = ", ".join(
        f"{tool} {tools[tool]['version']}: {tools[tool]['files_per_second']:.0f}" for tool in peers.PACKAGES
    )
    forms = "; ".join(f"`{form}`" for form in results["method"].values())
    return Row(
        part="scan",
        name="scan: data-only corpus, files/s beside the fastest other scanner",
        bar=">= 2x",
        measured=f"{ratio:.1f}x (weighlock: {tools['weighlock']['files_per_second']:.0f}; {shown})",
        method=f"Each in one process, file after file, after one pass to warm up; median; the others as {forms}",
        met=ratio >= 2,
        numbers=results,
    )


def large_rows(results: dict[str, Any]) -> list[Row]:
    """Make the rows of the large files."""
    rows = []
    for name, one in results.items():
        title, seconds = _LARGE.get(name, (f"zip of 60 MB of opcodes: {name.removeprefix('zip-60mb-')}", _ZIP_SECONDS))
        rows.append(
            Row(
                part="scan",
                name=f"scan: {title}",
                bar=f"<= {seconds} s, <= 64 MB",
                measured=f"{one['seconds']:.2f} s, {one['peak'] / _MEGA:.0f} MB ({one['outcome']})",
                method=_SEPARATE,
                met=one["seconds"] <= seconds and one["peak"] <= _MEMORY,
                numbers=one,
            )
        )
    return rows


def cold_row(results: dict[str, float]) -> Row:
    """Make the row of the cold start."""
    return Row(
        part="scan",
        name="scan: CLI cold start on a small file",
        bar="<= 0.15 s",
        measured=f"{results['weighlock']:.3f} s (the bare interpreter: {results['python']:.3f} s)",
        method="Wall time of `weighlock scan FILE` from start to exit, in turn with `python -c pass`; median",
        met=results["weighlock"] <= 0.15,
        numbers=dict(results),
    )


def main() -> None:
    """Measure everything, or the one part that was asked for, and write the rows."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=("rates", "large", "cold"))
    options = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.only in {None, "rates"}:
            rows.append(rate_row(rates(folder, options.rounds)))
        if options.only in {None, "large"}:
            rows += large_rows(large(folder, options.rounds))
        if options.only in {None, "cold"}:
            rows.append(cold_row(cold_start(folder, options.rounds)))
    write("scan" if options.only is None else f"scan-{options.only}", rows)
    for row in rows:
        sys.stdout.write(f"{row.name}: {row.measured} (bar: {row.bar})\n")


if __name__ == "__main__":
    main()
