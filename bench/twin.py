"""What a checkpoint costs that is served from its proved safetensors twin.

``python -m bench.twin`` measures and writes ``bench/results/twin.json``, in a temporary folder with about 2 GB.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from bench.guard import in_turns, weighlock
from bench.row import Row, report, spread
from bench.worker import ROOT, Worker, guarded_environ, unguarded_environ

if TYPE_CHECKING:
    from pathlib import Path

PART = "twin"

_SIZE = 1 << 30
_TENSOR = 16 << 20
_ROUNDS = 15
_FIRST_ROUNDS = 7
_SETTLING = 2.5  # seconds; a file must be older than two before its digest is remembered


def measure(folder: Path) -> list[Row]:
    """Measure loads of a checkpoint of 1 GB with and without the guard, which serves it from its twin.

    Args:
        folder: Empty, with room for 2 GB.
    """
    sizes = (str(_SIZE), str(_TENSOR), "0")
    subprocess.run([sys.executable, "-m", "bench.models", str(folder), *sizes], check=True, cwd=ROOT)
    started = time.perf_counter()
    weighlock(folder, "lock", "--lockfile", "twin.lock", "--all-formats", "./large")
    locking = time.perf_counter() - started
    if "equivalent-to" not in (folder / "twin.lock").read_text(encoding="utf-8"):
        raise SystemExit("error: the twin was not proved")
    time.sleep(_SETTLING)
    path = str(folder / "large" / "model.bin")
    return [second_load(folder, path, "torch-large"), second_load(folder, path, "torch-mapped"),
            first_load(folder, path, locking)]  # fmt: skip


def second_load(folder: Path, path: str, kind: str) -> Row:
    """Compare loads from the twin, after the first, with unguarded loads of the checkpoint."""
    with (
        Worker(kind, path, guarded_environ(folder, "twin.lock", "second")) as guarded,
        Worker(kind, path, unguarded_environ(folder)) as unguarded,
    ):
        guarded.round()  # the first, which hashes
        unguarded.round()
        pairs = [(one[0], other[0]) for one, other in in_turns(guarded, unguarded, _ROUNDS)]
    ratios = [one / other for one, other in pairs]
    ratio = statistics.median(ratios)
    mapped = kind == "torch-mapped"
    what = "mapped with `mmap=True`, one byte of each page read" if mapped else "into memory, `mmap=False`"
    return Row(
        part=PART,
        name=f"second load of a 1 GB .bin through its proved twin, {what}, against unguarded torch.load of the .bin",
        bar="faster" if not mapped else "as fast",
        measured=f"{ratio:.2f}x ({statistics.median(one for one, _ in pairs):.3f} s for "
        f"{statistics.median(other for _, other in pairs):.3f} s)",
        method=f"two processes take turns, page cache warm; median ratio of {_ROUNDS} rounds",
        met=ratio < 1 if not mapped else ratio <= 1.1,
        numbers={"ratio": spread(ratios), "twin": spread([one for one, _ in pairs])},
    )


def first_load(folder: Path, path: str, locking: float) -> Row:
    """Compare first loads from the twin, which hash both files, with unguarded first loads of the checkpoint."""
    pairs = []
    for round_ in range(_FIRST_ROUNDS):
        environ = guarded_environ(folder, "twin.lock", f"first-{round_}")
        with (
            Worker("torch-large", path, environ) as guarded,
            Worker("torch-large", path, unguarded_environ(folder)) as un,
        ):
            pairs += [(one[0], other[0]) for one, other in in_turns(guarded, un, 1)]
    ratios = [one / other for one, other in pairs]
    ratio = statistics.median(ratios)
    return Row(
        part=PART,
        name="first load of a 1 GB .bin through its proved twin, against unguarded torch.load of the .bin",
        bar="published",
        measured=f"{ratio:.2f}x ({statistics.median(one for one, _ in pairs):.2f} s; locking and proving took "
        f"{locking:.1f} s)",
        method=f"new processes with an empty digest cache, page cache warm; both files are hashed; median ratio of "
        f"{_FIRST_ROUNDS} processes; includes reading the lockfile and importing the gate",
        met=True,
        numbers={"ratio": spread(ratios), "twin": spread([one for one, _ in pairs]), "lock": locking},
    )


if __name__ == "__main__":
    report(PART, measure)
