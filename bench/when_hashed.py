"""What `verify = "lazy"` saves and what `verify = "sealed"` costs; measured as a part of `bench.guard`."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from bench.row import NO_BAR, Row, spread
from bench.worker import Worker, guarded_environ

if TYPE_CHECKING:
    from pathlib import Path

_PROCESSES = 7


def rows(folder: Path) -> list[Row]:
    """Measure both.

    Args:
        folder: With ``large/model.safetensors``, locked in ``large.lock``.
    """
    path = str(folder / "large" / "model.safetensors")
    for verify in ("lazy", "sealed"):
        (folder / f"{verify}.toml").write_text(f'verify = "{verify}"\n', encoding="utf-8")
    seconds: dict[str, list[float]] = {"full": [], "lazy": [], "full, all": [], "sealed, all": []}
    for number in range(_PROCESSES):
        for name, values in seconds.items():
            verify, _, everything = name.partition(", ")
            environ = guarded_environ(folder, "large.lock", f"{verify}-{everything}-{number}")
            if verify != "full":
                environ["WEIGHLOCK_POLICY"] = str(folder / f"{verify}.toml")
            with Worker("safetensors-large" if everything else "one-tensor", path, environ) as worker:
                values.append(worker.round()[0])
    return [
        _row("one tensor of 64 MB out of a locked 2 GB safetensors file", seconds["lazy"], seconds["full"], "lazy", 1),
        _row("load of a locked 2 GB safetensors file", seconds["sealed, all"], seconds["full, all"], "sealed"),
    ]


def _row(what: str, measured: list[float], full: list[float], verify: str, limit: float | None = None) -> Row:
    ratios = [one / other for one, other in zip(measured, full, strict=True)]
    return Row(
        part="guard",
        name=f'{what}, `verify = "{verify}"` against `"full"`',
        bar=f"< {limit:g}x" if limit else NO_BAR,
        measured=f"{statistics.median(ratios):.2f}x ({statistics.median(measured):.3f} s against "
        f"{statistics.median(full):.3f} s)",
        method="a new process with an empty digest cache for each load, in turns; page cache warm; includes opening "
        f"the gate; median ratio of {_PROCESSES} rounds",
        met=statistics.median(ratios) < limit if limit else None,
        numbers={"ratio": spread(ratios), verify: spread(measured), "full": spread(full)},
    )
