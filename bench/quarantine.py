"""What a quarantine costs and how fast it is: `python -m bench.quarantine` measures, and writes its results.

Programs are real ones under the guard, and the command is the one that people type. ``python -m bench.quarantine load``
is such a program.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import random
import signal
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bench.row import Row, report, spread
from weighlock.errors import LoadRefused
from weighlock.gates.ledger import absorb_spools, open_ledger, verify
from weighlock.gates.load import open_gate
from weighlock.gates.project import find_project
from weighlock.gates.quarantine import Keeper
from weighlock.gates.quarantine_plan import Plan
from weighlock.gates.quarantined import open_quarantine
from weighlock.lockfile import LockedFile, LockedModel, Lockfile, PathSource
from weighlock.policy import Policy
from weighlock.quarantine import Subject

if TYPE_CHECKING:
    from collections.abc import Callable

PART = "quarantine"
_RUNS = 9
_LOADS = 20_000
_KILLS = 500
_MANY = 100_000
_BAR = 20.0


def measure(folder: Path) -> list[Row]:
    """Measure everything about quarantine.

    Args:
        folder: Empty, on a disk.
    """
    return [_cost(folder / "cost"), _many(folder / "many"), _reach(folder / "reach"), _killing(folder / "kills")]


def _project(folder: Path) -> dict[str, str]:
    """Make a project with one locked file, and return the variables for it."""
    (folder / "net").mkdir(parents=True)
    data = pickle.dumps({"weights": list(range(1000))})
    (folder / "net" / "m.pkl").write_bytes(data)
    os.utime(folder / "net" / "m.pkl", (1, 1))
    digest = hashlib.sha256(data).hexdigest()
    file = LockedFile(path="m.pkl", size=len(data), sha256=digest, format="pickle", outcome="data-only")
    models = (LockedModel(name="net", source=PathSource(path="net"), files=(file,)),)
    (folder / "models.lock").write_text(Lockfile(models=models).dumps())
    return {**os.environ, "WEIGHLOCK_STATE": str(folder / "state"), "WEIGHLOCK_ROOT": str(folder)}


def _keeper(environ: dict[str, str]) -> Keeper:
    return Keeper(find_project(environ), environ, None, lambda: datetime.now(UTC))


def _deny(keeper: Keeper, digests: tuple[str, ...]) -> None:
    plan = Plan(subject=Subject(kind="digest", value=digests[0]), digests=digests)
    keeper.quarantine(plan, keeper.ledger_signer(), reason="measured", by="bench", expires=None)


def _each(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    for _ in range(_LOADS):
        call()
    return (time.perf_counter() - start) / _LOADS * 1e6


def _cost(folder: Path) -> Row:
    environ = _project(folder)
    gate = open_gate(environ)
    with open(folder / "net" / "m.pkl", "rb") as file:

        def load() -> None:
            gate.admit_file(file.fileno(), "m.pkl", "bench")

        def ask() -> None:
            gate.passes_quarantine("m.pkl", "bench", lambda: ("a" * 64,))

        load()
        without = [_each(ask) for _ in range(_RUNS)]
        _deny(_keeper(environ), (f"sha256:{'b' * 64}",))
        load()
        asked = [_each(ask) for _ in range(_RUNS)]
        whole = [_each(load) for _ in range(_RUNS)]
    gate.close()
    median = statistics.median(asked)
    return Row(
        part=PART,
        name="what asking the quarantine adds to a load of a locked file, where nothing changed",
        bar=f"<= {_BAR:g} microseconds",
        measured=f"{median:.1f} microseconds; {statistics.median(without):.1f} where there is no list",
        method=f"median of {_RUNS} runs of {_LOADS:,} questions of one process, one list in a file; "
        f"all of the gate takes {statistics.median(whole):.0f} for a file that it admitted before, its entry included",
        met=median <= _BAR,
        numbers={"with a list": spread(asked), "without": spread(without), "gate": spread(whole)},
    )


def _many(folder: Path) -> Row:
    environ = _project(folder)
    _deny(_keeper(environ), tuple(f"sha256:{number:064x}" for number in range(_MANY)))
    times = []
    for _ in range(_RUNS):
        quarantine = open_quarantine(environ, Policy(), None)
        start = time.perf_counter()
        quarantine.denied(["c" * 64])
        times.append(time.perf_counter() - start)
    median = statistics.median(times)
    return Row(
        part=PART,
        name=f"a list of {_MANY:,} digests, read and verified when it changed",
        bar="<= 2 s",
        measured=f"{median:.2f} s",
        method=f"median of {_RUNS}; signed with Ed25519, verified in Python alone",
        met=median <= 2,
        numbers={"seconds": spread(times)},
    )


def _reach(folder: Path) -> Row:
    environ = _project(folder)
    program = subprocess.Popen(
        [sys.executable, "-m", "bench.quarantine", "load"],
        env={**environ, "PYTHONPATH": os.pathsep.join((os.getcwd(), environ.get("PYTHONPATH", "")))},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None  # noqa: S101 - it was asked for
    program.stdout.readline()
    times, commands, loads = [], [], 0
    for _ in range(_RUNS):
        start = time.time()
        said = _run(folder, environ, "net/m.pkl", "--reason", "measured", "--yes")
        ended = time.time()
        refused = json.loads(program.stdout.readline())
        times.append(refused["time"] - ended)
        loads = max(loads, refused["loads after the list"])
        commands.append(ended - start)
        _run(folder, environ, "--release", said["id"], "--reason", "measured")
        program.stdout.readline()
    program.kill()
    program.communicate()
    latest = max(times)
    return Row(
        part=PART,
        name="`weighlock quarantine` until a program that loads in a loop is refused",
        bar="its next load",
        measured=f"its next load: {loads} let through after the list was there; "
        f"{latest * 1000:+.0f} ms after the end of the command at the latest",
        method=f"{_RUNS} times, a real program under the guard; the command takes {statistics.median(commands):.2f} s, "
        "and seals the ledger after the list is in its place",
        met=loads == 0,
        numbers={"after the end of the command": spread(times), "command": spread(commands)},
    )


def _run(folder: Path, environ: dict[str, str], *words: str) -> dict[str, str]:
    command = [sys.executable, "-m", "weighlock", "quarantine", *words, "--format", "json"]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=True)
    said: dict[str, str] = json.loads(done.stdout)
    return said


def _load_for_ever() -> None:
    """Load one file again and again, and say when loads begin to be refused, and when they are let through again."""
    root = Path(os.environ["WEIGHLOCK_ROOT"])
    gate, place = open_gate(os.environ), root / "state" / "ledger" / "quarantine.sigstore.json"
    refused, after = True, 0
    with open(root / "net" / "m.pkl", "rb") as file:
        while True:
            stamp = place.stat().st_ino if place.exists() else 0
            try:
                gate.admit_file(file.fileno(), "m.pkl", "bench")
                now = False
            except LoadRefused:
                now = True
            after += not now and stamp != 0 and stamp == _denying(place)
            if now != refused:
                told = {"time": time.time(), "refused": now, "loads after the list": after}
                sys.stdout.write(f"{json.dumps(told)}\n")
                sys.stdout.flush()
                refused, after = now, 0
            time.sleep(0.001)


def _denying(place: Path) -> int:
    """Return the number of the file of a list whose last event denies; 0 for any other."""
    from weighlock.quarantine import Denial
    from weighlock.signing.bundle import read_bundle
    from weighlock.signing.quarantine_statement import read_list
    from weighlock.signing.statement import read_statement

    with open(place, "rb") as file:
        known = read_list(read_statement(read_bundle(file.read()).envelope.payload))
        return os.fstat(file.fileno()).st_ino if isinstance(known.events[-1], Denial) else 0


def _killing(folder: Path) -> Row:
    environ = _project(folder)
    _deny(_keeper(environ), (f"sha256:{'b' * 64}",))
    torn, seen = 0, 1
    for number in range(_KILLS):
        child = _deny_for_ever(environ, number)
        time.sleep(random.uniform(0, 0.2))  # noqa: S311 - any moment
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        known = _keeper(environ).read()
        count = 0 if known is None else len(known.events)
        torn += count < seen
        seen = max(seen, count)
    denied = open_quarantine(environ, Policy(), None).denied(["b" * 64])
    ledger = open_ledger(environ)
    absorb_spools(ledger, datetime.now(UTC))
    ledger.checkpoint()
    entries = verify(ledger, None, None)["entries"]
    return Row(
        part=PART,
        name=f"lists that were neither the old nor the new one at {_KILLS:,} kill -9 of who quarantines",
        bar="0",
        measured=f"{torn} of {_KILLS}; {seen:,} entries on the list, and the ledger verifies ({entries:,} entries)",
        method="a process that quarantines again and again, killed after 0 to 200 ms; the list is verified, "
        "and compared with what was seen, after each kill",
        met=torn == 0 and denied is not None,
        numbers={"kills": _KILLS, "torn": torn, "events": seen, "ledger": entries},
    )


def _deny_for_ever(environ: dict[str, str], number: int) -> int:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            turn = 0
            while True:
                digest = hashlib.sha256(f"{number}.{turn}".encode()).hexdigest()
                os.write(writing, b".")
                _deny(_keeper(environ), (f"sha256:{digest}",))
                turn += 1
        finally:
            os._exit(1)
    os.read(reading, 1)
    os.close(reading)
    os.close(writing)
    return child


if __name__ == "__main__":
    if sys.argv[1:] == ["load"]:
        _load_for_ever()
    else:
        report(PART, measure)
