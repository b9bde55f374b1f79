"""What the gate costs an MLflow server: `python -m bench.mlflow` measures, and writes `results/mlflow.json`.

One server runs at a time: of two MLflow servers on one machine, the second answers each call much later.
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

from bench.row import NO_BAR, Row, report, spread
from tests import mlflow_rig

if TYPE_CHECKING:
    from pathlib import Path

PART = "mlflow"
_CALLS = 24
_BAR = 1.25
_STAGE = "staging"
"""A stage that names no users: without passwords nobody is known."""


def measure(folder: Path) -> list[Row]:
    """Measure calls with the gate and without it.

    Args:
        folder: Empty, on a disk.
    """
    return [row for auth in (True, False) for row in _compared(folder / f"auth-{auth}", auth=auth)]


def _compared(folder: Path, *, auth: bool) -> list[Row]:
    taken: dict[str, dict[str, list[float]]] = {}
    for scheme in ("weighlock+", ""):
        place = folder / (scheme or "plain")
        place.mkdir(parents=True)
        with mlflow_rig.running("sqlite", place, auth=auth, scheme=scheme, remembers_s=0) as rig:
            taken[scheme] = _calls(rig.model(user="admin"), gated=bool(scheme))
    asked = "basic-auth, which hashes the password at each request" if auth else "no passwords asked"
    method = (
        f"{_CALLS} calls of each server, one server after the other, SQLite, one worker, versions of two small files, "
        f"{asked}; medians, and their ratio"
    )
    return [_row(name, taken["weighlock+"][name], taken[""][name], method, auth=auth) for name in taken[""]]


def _calls(model: Any, *, gated: bool) -> dict[str, list[float]]:
    """Return the seconds of each call, by what is called."""
    taken: dict[str, list[float]] = {}
    model.version(user="admin")
    digest = None
    for number in range(_CALLS):
        version = number % 2 + 1
        if gated:
            digest = model.attach(model.summary(version, _STAGE, previous=digest), version=version, user="admin")
        alias = {"name": model.name, "alias": _STAGE, "version": str(version)}
        calls = {
            "set an alias": ("registered-models/alias", alias, "POST"),
            "resolve an alias": (f"registered-models/alias?name={model.name}&alias={_STAGE}", None, "GET"),
            "ask where a version lies": (
                f"model-versions/get-download-uri?name={model.name}&version={version}",
                None,
                "GET",
            ),
        }
        for name, (path, body, method) in calls.items():
            began = time.perf_counter()
            model.rig.must(path, body, method=method, user="admin")
            taken.setdefault(name, []).append(time.perf_counter() - began)
    return taken


def _row(name: str, gated: list[float], plain: list[float], method: str, *, auth: bool) -> Row:
    one, other = statistics.median(gated), statistics.median(plain)
    return Row(
        part=PART,
        name=f"MLflow, {name}{'' if auth else ', no passwords'}: with the gate against without",
        bar=f"<= {_BAR}x" if auth else NO_BAR,
        measured=f"{one / other:.2f}x ({one * 1e3:.1f} ms against {other * 1e3:.1f} ms)",
        method=method,
        met=one / other <= _BAR if auth else None,
        numbers={"gated": spread(gated), "plain": spread(plain)},
    )


if __name__ == "__main__":
    report(PART, measure)
