"""Promotions and rollbacks that are killed, and what a promotion costs: `python -m bench.promotion` measures."""

from __future__ import annotations

import os
import statistics
import time
from typing import TYPE_CHECKING

from bench.row import NO_BAR, Row, report, spread
from tests.gates.promotion_kills import kill_promotions, kill_rollbacks
from tests.gates.promotion_room import Room

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

PART = "promotion"
_KILLS = 500
_RUNS = 7


def measure(folder: Path) -> list[Row]:
    """Measure the gate with the built-in store.

    Args:
        folder: Empty, on a disk.
    """
    rows = [_cost(_room(folder / "cost"))]
    rows.append(_killed("promotions", kill_promotions(_room(folder / "promotions"), _KILLS)))
    room = _room(folder / "rollbacks")
    room.through()
    room.change()
    room.through()
    rows.append(_killed("rollbacks", kill_rollbacks(room, _KILLS)))
    return rows


def _room(folder: Path) -> Any:
    folder.mkdir()
    os.chdir(folder)
    os.environ["WEIGHLOCK_STATE"] = str(folder / "state")
    os.environ["WEIGHLOCK_POLICY"] = str(folder / "weighlock.toml")
    return Room(folder)


def _cost(room: Any) -> Row:
    room.promote("staging")
    times = []
    for _ in range(_RUNS):
        room.approve()
        start = time.perf_counter()
        room.promote()
        times.append(time.perf_counter() - start)
    return Row(
        part=PART,
        name="a promotion to production with all evidence, a small model",
        bar=NO_BAR,
        measured=f"{statistics.median(times) * 1e3:.0f} ms",
        method=f"in one process, of two files, hashed, inspected, audited and kept; median of {_RUNS}",
        met=None,
        numbers=spread(times),
    )


def _killed(what: str, found: Any) -> Row:
    return Row(
        part=PART,
        name=f"{what} at {_KILLS} kill -9 that are neither old nor new, or that the ledger does not know",
        bar="0",
        measured=f"{len(found.problems)}; {found.old} old, {found.new} new, {found.faster} were faster",
        method="killed at a random moment; then the next run settles it, and history, lockfile and ledger are compared",
        met=not found.problems,
        numbers={"problems": len(found.problems), "old": found.old, "new": found.new, "faster": found.faster},
    )


if __name__ == "__main__":
    report(PART, measure)
