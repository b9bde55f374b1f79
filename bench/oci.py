"""What the issuer of tokens costs: `python -m bench.oci` measures, and writes `results/oci.json`.

A real docker-registry and an issuer before it, in one process with who asks, over the loopback interface.
"""

from __future__ import annotations

import os
import random
import statistics
import time
from typing import TYPE_CHECKING, Any

from bench.row import NO_BAR, Row, report, spread
from tests.issuer import PASSWORDS, claims_of, issuing, killed, process_of
from weighlock.registry.oci.passwords import hash_password

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PART = "oci"
_CALLS = 100
_LARGE = 256 << 20
_KILLS = 100
_LATEST_KILL_S = 0.4


def measure(folder: Path) -> list[Row]:
    """Measure tokens and promotions.

    Args:
        folder: Empty, on a disk.
    """
    with issuing(folder) as place:
        _, first = place.promoted({"model.bin": b"weights"})
        rows = [
            _tokens(place, "open repository", "dev", "repository:staging/net:pull,push"),
            _tokens(place, "refused", "dev", "repository:prod/net:pull,push"),
            _tokens(place, "gated repository, one version", "viewer", "repository:prod/net:pull"),
            _pull(place),
        ]
        for number in range(20):
            files = {"model.bin": b"weights", "n": b"%d" % number}
            _, first = place.promoted(files, previous=first, tag=f"n{number}")
        rows.append(_tokens(place, "gated repository, 21 versions", "viewer", "repository:prod/net:pull"))
        rows += [_password(), _promotion(place)]
    return [*rows, _kills(folder / "kills")]


def _tokens(place: Any, name: str, user: str, scope: str) -> Row:
    granted = claims_of(place.token(user, scope))["access"]
    taken = _timed(lambda: place.token(user, scope))
    said = "granted" if granted else "refused"
    return _row(f"OCI, a token: {name}", taken, f"{_CALLS} requests, {said}, the password known from the last minute")


def _pull(place: Any) -> Row:
    taken = _timed(place.tag)
    return _row("OCI, a token and a pull of the manifest", taken, f"{_CALLS} times, gated, one version")


def _password() -> Row:
    taken = []
    for _ in range(10):
        began = time.perf_counter()
        hash_password(PASSWORDS["dev"])
        taken.append(time.perf_counter() - began)
    return _row("OCI, a password that was not compared in the last minute", taken, "scrypt, N = 2^15, r = 8, p = 1")


def _promotion(place: Any) -> Row:
    files = {"model.bin": os.urandom(_LARGE)}
    manifest = place.push("staging/large", files)
    bundle = place.summary(files, manifest, repository="prod/large")
    began = time.perf_counter()
    reply = place.promote(manifest, bundle, repository="prod/large")
    taken = time.perf_counter() - began
    assert reply.status == 200, reply  # noqa: S101 - else nothing was measured
    method = f"one file of {_LARGE >> 20} MiB: every byte read from the registry and hashed, mounted, tagged"
    return Row(
        part=PART,
        name="OCI, a promotion",
        bar=NO_BAR,
        measured=f"{taken:.2f} s ({_LARGE / taken / 1e6:.0f} MB/s)",
        method=method,
        met=None,
        numbers={"seconds": [taken]},
    )


def _kills(folder: Path) -> Row:
    moved = 0
    with issuing(folder, served=False) as place:
        with process_of(place):
            standing = place.promoted({"n": b"start"})
        for number in range(_KILLS):
            standing, new = killed(place, standing, number, random.random() * _LATEST_KILL_S)  # noqa: S311 - a moment
            moved += new
    return Row(
        part=PART,
        name="OCI, the issuer killed in the middle of a promotion",
        bar="old or new, never between",
        measured=f"{_KILLS} kills: the old in force {_KILLS - moved} times, the new {moved} times, nothing between",
        method="kill -9 of the server at a random moment; after a new start, what is in force is what is pulled",
        met=True,
        numbers={"kills": _KILLS, "new": moved},
    )


def _timed(call: Callable[[], object]) -> list[float]:
    taken = []
    for _ in range(_CALLS):
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return taken


def _row(name: str, taken: list[float], method: str) -> Row:
    return Row(
        part=PART,
        name=name,
        bar=NO_BAR,
        measured=f"{statistics.median(taken) * 1e3:.1f} ms",
        method=f"{method}; median",
        met=None,
        numbers={"seconds": spread(taken)},
    )


if __name__ == "__main__":
    report(PART, measure)
