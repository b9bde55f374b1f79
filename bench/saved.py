"""What recording costs a program that saves: `python -m bench.saved` measures, and writes `results/saved.json`.

Two processes, one of them guarded, take turns; each has 2 GB of tensors and writes a file of 2 GB.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from bench.row import NO_BAR, Row, report, spread
from bench.worker import Worker, guarded_environ, unguarded_environ

if TYPE_CHECKING:
    from pathlib import Path

PART = "saved"
_ROUNDS = 7
_SMALL_ROUNDS = 11


def measure(folder: Path) -> list[Row]:
    """Measure everything about saving.

    Args:
        folder: Empty, with room for 4 GB.
    """
    (folder / "empty.lock").write_text('lock-version = "1.0"\ncreated-by = "weighlock"\n', encoding="utf-8")
    return [_large(folder, "torch.save", "torch-save"), _large(folder, "save_file", "safetensors-save"), _small(folder)]


def _rounds(folder: Path, kind: str, rounds: int) -> list[tuple[list[float], list[float]]]:
    environ = {**guarded_environ(folder, "empty.lock", kind), "WEIGHLOCK_STATE": str(folder / "state")}
    paths = [str(folder / name) for name in ("guarded.bin", "unguarded.bin")]
    with Worker(kind, paths[0], environ) as guarded, Worker(kind, paths[1], unguarded_environ(folder)) as unguarded:
        guarded.round()
        unguarded.round()
        pairs = []
        for number in range(rounds):
            if number % 2:
                other, one = unguarded.round(), guarded.round()
            else:
                one, other = guarded.round(), unguarded.round()
            pairs.append((one, other))
    return pairs


def _large(folder: Path, name: str, kind: str) -> Row:
    pairs = _rounds(folder, kind, _ROUNDS)
    clock = [one[0] / other[0] for one, other in pairs]
    added = [one[1] - other[1] for one, other in pairs]
    guarded, plain = (statistics.median(pair[part][0] for pair in pairs) for part in (0, 1))
    return Row(
        part=PART,
        name=f"guarded {name} of 2 GB, recorded as the project's own, against unguarded",
        bar=NO_BAR,
        measured=f"{statistics.median(clock):.2f}x ({guarded:.2f} s against {plain:.2f} s); "
        f"{statistics.median(added):.2f} s of processor time added",
        method=f"two processes take turns, 32 tensors of 64 MB over the same file, nothing waits for the disk; median "
        f"ratio of {_ROUNDS} rounds; what is added is SHA-256",
        met=None,
        numbers={"ratio": spread(clock), "added": spread(added)},
    )


def _small(folder: Path) -> Row:
    pairs = _rounds(folder, "torch-save-small", _SMALL_ROUNDS)
    added = [one[0] - other[0] for one, other in pairs]
    return Row(
        part=PART,
        name="guarded torch.save of a small checkpoint: added time each",
        bar=NO_BAR,
        measured=f"{statistics.median(added) * 1e3:.3f} ms",
        method=f"two processes take turns with 200 saves each; median of {_SMALL_ROUNDS} rounds",
        met=None,
        numbers={"added": spread(added)},
    )


if __name__ == "__main__":
    report(PART, measure)
