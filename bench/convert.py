"""What `weighlock convert` costs, against loading a checkpoint with torch and saving it with safetensors.

``python -m bench.convert`` measures and writes ``bench/results/convert.json``. Everything happens in a temporary
folder with up to 21 GB, which is removed in the end. Both sides are new processes that take turns, and both are
measured until the file is on the disk: `convert` sees to that by itself, the other side is followed by `os.fsync`.
"""

from __future__ import annotations

import filecmp
import json
import os
import shutil
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from bench.row import Row, report, spread
from bench.worker import ROOT, unguarded_environ

if TYPE_CHECKING:
    from pathlib import Path

PART = "convert"

_LARGE = 2 << 30
_TENSOR = 64 << 20
_HUGE = 10 << 30
_HUGE_TENSOR = 256 << 20
_ROUNDS = 5
_SPACE = 22 << 30
_BASE = 256 << 20

_MAKE = """
import sys, torch
path, size, item, empty = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "empty"
shape = (item // 4 // 1024, 1024)
if empty:
    # The memory of the storages is left out, as a hole in the file.
    with torch.serialization.skip_data():
        torch.save({f"layer.{n}.weight": torch.empty(shape) for n in range(size // item)}, path)
else:
    torch.save({f"layer.{n}.weight": torch.rand(shape) for n in range(size // item)}, path)
"""

_CONVERT = """
import json, resource, sys, time
start = time.perf_counter()
from weighlock._cli import main
code = main(["convert", sys.argv[1], "-o", sys.argv[2], "--output", "/dev/null"])
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps([code, seconds, time.process_time(), peak]))
"""

_SAVE = """
import json, os, resource, sys, time
import torch
from safetensors.torch import save_file
start, processor = time.perf_counter(), time.process_time()
save_file(torch.load(sys.argv[1], weights_only=True), sys.argv[2], metadata={"format": "pt"})
descriptor = os.open(sys.argv[2], os.O_RDONLY)
os.fsync(descriptor)
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps([0, seconds, time.process_time() - processor, peak]))
"""


def measure(folder: Path) -> list[Row]:
    """Measure everything about converting.

    Args:
        folder: Empty, with room for 22 GB.
    """
    if shutil.disk_usage(folder).free < _SPACE:
        raise SystemExit(f"error: {folder} has no room for {_SPACE >> 30} GB\nhint: set TMPDIR to a folder that has")
    return [*against_torch(folder), huge(folder)]


def against_torch(folder: Path) -> list[Row]:
    """Convert 2 GB, and let torch and safetensors do the same."""
    source, one, other = folder / "large.bin", folder / "one.safetensors", folder / "other.safetensors"
    _run(folder, _MAKE, str(source), str(_LARGE), str(_TENSOR), "full")
    ours: list[list[float]] = []
    theirs: list[list[float]] = []
    for round_ in range(_ROUNDS):
        for script, place, found in ((_CONVERT, one, ours), (_SAVE, other, theirs))[:: -1 if round_ % 2 else 1]:
            place.unlink(missing_ok=True)
            os.sync()
            found.append(_measured(folder, script, source, place))
        if not filecmp.cmp(one, other, shallow=False):
            raise SystemExit("error: the two files differ")
    for path in (source, one, other):
        path.unlink()
    return [_time_row(ours, theirs), _memory_row(ours, theirs)]


def huge(folder: Path) -> Row:
    """Convert 10 GB in little memory."""
    source, place = folder / "huge.bin", folder / "huge.safetensors"
    _run(folder, _MAKE, str(source), str(_HUGE), str(_HUGE_TENSOR), "empty")
    _, seconds, _, peak = _measured(folder, _CONVERT, source, place)
    limit = _BASE + _HUGE_TENSOR
    return Row(
        part=PART,
        name="convert of a 10 GB checkpoint: peak memory",
        bar=f"<= 256 MB and one tensor ({limit >> 20} MB)",
        measured=f"{peak / 2**20:.0f} MB ({seconds:.0f} s)",
        method=f"{_HUGE // _HUGE_TENSOR} tensors of {_HUGE_TENSOR >> 20} MB, a file with holes that torch.save wrote; "
        "`ru_maxrss` of one new process, the output on the disk",
        met=peak <= limit,
        numbers={"peak": peak, "seconds": seconds},
    )


def _time_row(ours: list[list[float]], theirs: list[list[float]]) -> Row:
    ratios = [one[1] / other[1] for one, other in zip(ours, theirs, strict=True)]
    processor = [one[2] / other[2] for one, other in zip(ours, theirs, strict=True)]
    ratio = statistics.median(ratios)
    return Row(
        part=PART,
        name="convert of a 2 GB checkpoint, against `torch.load` and `safetensors.torch.save_file`: time",
        bar="<= 1.0x",
        measured=f"{ratio:.2f}x ({statistics.median(one[1] for one in ours):.1f} s; "
        f"{statistics.median(processor):.2f}x in time of the processor)",
        method=f"new processes in turns, page cache warm, until the output is on the disk; ours with its imports, the "
        f"inspection and the digest of the output, theirs without their imports; the two files are compared; median "
        f"ratio of {_ROUNDS} rounds",
        met=ratio <= 1.0,
        numbers={"ratio": spread(ratios), "processor": spread(processor), "seconds": spread([one[1] for one in ours])},
    )


def _memory_row(ours: list[list[float]], theirs: list[list[float]]) -> Row:
    ratios = [one[3] / other[3] for one, other in zip(ours, theirs, strict=True)]
    ratio = statistics.median(ratios)
    return Row(
        part=PART,
        name="convert of a 2 GB checkpoint, against `torch.load` and `safetensors.torch.save_file`: peak memory",
        bar="<= 0.15x",
        measured=f"{ratio:.3f}x ({statistics.median(one[3] for one in ours) / 2**20:.0f} MB)",
        method=f"`ru_maxrss` of the processes of the row before; median ratio of {_ROUNDS} rounds",
        met=ratio <= 0.15,
        numbers={"ratio": spread(ratios), "ours": spread([one[3] for one in ours])},
    )


def _measured(folder: Path, script: str, source: Path, place: Path) -> list[float]:
    answer: list[Any] = json.loads(_run(folder, script, str(source), str(place)))
    if answer[0]:
        raise SystemExit(f"error: {source} was not converted")
    return [float(value) for value in answer]


def _run(folder: Path, script: str, *arguments: str) -> str:
    command = [sys.executable, "-W", "ignore", "-c", script, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=unguarded_environ(folder), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"error: a child of the benchmark failed: {done.stderr[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    report(PART, measure)
