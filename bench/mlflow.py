"""What the gate costs an MLflow server: `python -m bench.mlflow` measures, and writes `results/mlflow.json`.

Two servers of each kind, one with the gate and one without, are asked in turn, so that both see the same machine.
"""

from __future__ import annotations

import statistics
import time
from contextlib import ExitStack
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
    with ExitStack() as stack:
        rigs = []
        for scheme in ("weighlock+", ""):
            place = folder / (scheme or "plain")
            place.mkdir(parents=True)
            rigs.append(
                stack.enter_context(mlflow_rig.running("sqlite", place, auth=auth, scheme=scheme, remembers_s=0))
            )
        taken = _calls(*(rig.model(user="admin") for rig in rigs))
    asked = "basic-auth, which hashes the password at each request" if auth else "no passwords asked"
    method = (
        f"{_CALLS} calls of each server in turn, SQLite, one worker, a version of two small files, {asked}; "
        "medians, and their ratio"
    )
    return [_row(name, gated, plain, method, auth=auth) for name, (gated, plain) in taken.items()]


def _calls(gated: Any, plain: Any) -> dict[str, tuple[list[float], list[float]]]:
    """Return the seconds of each call, with the gate and without, by what is called."""
    names = "set an alias", "resolve an alias", "ask where a version lies"
    taken: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in names}
    for model in (gated, plain):
        model.version(user="admin")
    digest = None
    for number in range(_CALLS):
        version = number % 2 + 1
        digest = gated.attach(gated.summary(version, _STAGE, previous=digest), version=version, user="admin")
        both = ((0, gated), (1, plain))
        for place, model in both if number % 4 < 2 else both[::-1]:
            calls = (
                ("registered-models/alias", {"name": model.name, "alias": _STAGE, "version": str(version)}, "POST"),
                (f"registered-models/alias?name={model.name}&alias={_STAGE}", None, "GET"),
                (f"model-versions/get-download-uri?name={model.name}&version={version}", None, "GET"),
            )
            for name, (path, body, method) in zip(names, calls, strict=True):
                began = time.perf_counter()
                model.rig.must(path, body, method=method, user="admin")
                taken[name][place].append(time.perf_counter() - began)
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
