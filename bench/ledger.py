"""What the ledger can take: `python -m bench.ledger` measures, and writes `results/ledger.json`.

Appending processes are real ones; each of their appends is durable before the next one begins. The disk of the
temporary folder decides, so it has to be a real one.
"""

from __future__ import annotations

import os
import random
import signal
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from bench.row import NO_BAR, Row, report, spread
from weighlock.entry import Entry
from weighlock.gates.ledger import Query, search
from weighlock.ledger import verifier
from weighlock.ledger.absorb import absorb
from weighlock.ledger.keys import LedgerKey
from weighlock.ledger.spool import Spool
from weighlock.ledger.store import FileLedger
from weighlock.verdict import Decision

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PART = "ledger"
_Result = TypeVar("_Result")
_RUNS = 5
_EACH = 3000
_MANY = 200_000
_SPOOLED = 20_000
_KILLS = 1000
_BAR = 3000


def measure(folder: Path) -> list[Row]:
    """Measure everything about the ledger.

    Args:
        folder: Empty, on a disk.
    """
    return [
        *_appending(folder),
        *_sealing(folder / "sealing"),
        _absorbing(folder / "absorbing"),
        _killing(folder / "kills"),
    ]


def _open(folder: Path) -> FileLedger:
    folder.mkdir(parents=True, exist_ok=True)
    return FileLedger(str(folder / "ledger"), LedgerKey(str(folder / "key")))


def _entry(event: str, time: datetime | None = None) -> Entry:
    time = time or datetime(2026, 1, 1, tzinfo=UTC)
    rules = ("not-in-lockfile", "pickle-needs-classes")
    return Entry(
        time=time, event=event, gate="load", kind="model", subject="google-bert/bert-base-uncased/model.safetensors",
        verdict=Decision.DENY, rules=rules, evidence=(f"sha256:{'ab' * 32}",), actor="somebody@somewhere",
    )  # fmt: skip


def _start(folder: Path, name: str, count: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "bench.ledger", "append", str(folder), name, str(count)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def _await(worker: subprocess.Popen[bytes]) -> None:
    if worker.stdout is not None:
        worker.stdout.readline()


def _release(worker: subprocess.Popen[bytes]) -> None:
    if worker.stdin is not None:
        worker.stdin.write(b"go\n")
        worker.stdin.flush()


def _appending(folder: Path) -> list[Row]:
    rates: dict[int, list[float]] = {1: [], 4: []}
    bare = []
    for run in range(_RUNS):
        bare.append(_bare(folder / f"bare-{run}"))
        for processes, measured in rates.items():
            place = folder / f"append-{run}-{processes}"
            workers = [_start(place, f"{number}", _EACH) for number in range(processes)]
            for worker in workers:
                _await(worker)
            began = time.perf_counter()
            for worker in workers:
                worker.communicate(b"go\n")
            measured.append(processes * _EACH / (time.perf_counter() - began))
            if _open(place).size() != processes * _EACH:
                raise SystemExit("error: entries are missing")
    method = (
        f"{_EACH} appends of one entry of 400 bytes each, every one durable before the next; median of {_RUNS} "
        f"runs, in which the disk took {statistics.median(bare):,.0f} bare writes and syncs of one process per second"
    )
    one, four = (statistics.median(rates[processes]) for processes in (1, 4))
    return [
        Row(part=PART, name="fsync'ed appends per second, 4 processes", bar=f">= {_BAR:,}", measured=f"{four:,.0f}",
            method=method, met=four >= _BAR, numbers=spread(rates[4])),
        Row(part=PART, name="fsync'ed appends per second, 1 process", bar=NO_BAR, measured=f"{one:,.0f}",
            method=method, met=None, numbers=spread(rates[1])),
    ]  # fmt: skip


def _bare(path: Path) -> float:
    """Return how many writes of 400 bytes per second this disk makes durable, one after the other."""
    with path.open("ab", buffering=0) as file:
        began = time.perf_counter()
        for _ in range(_EACH):
            file.write(bytes(400))
            os.fdatasync(file.fileno())
    return _EACH / (time.perf_counter() - began)


def _sealing(folder: Path) -> list[Row]:
    ledger, entries = _open(folder), [_entry(f"e:{number}").to_bytes() for number in range(_MANY)]
    for start in range(0, _MANY, 10_000):
        ledger.append(entries[start : start + 10_000])
    sealed, note = _timed(ledger.checkpoint)
    key = ledger.key.read().public
    verified, _ = _timed(lambda: verifier.verify_folder(ledger.folder, key, note))
    searched, _ = _timed(lambda: sum(1 for _ in search(ledger, Query(verdict="ALLOW"))))
    proved = [_timed(lambda: ledger.inclusion(random.randrange(_MANY), _MANY))[0] for _ in range(50)]  # noqa: S311 - any
    method = f"{_MANY:,} entries of 400 bytes, once"
    values = (("sealed", sealed), ("verified with an old checkpoint", verified), ("searched", searched))
    rows = [
        Row(part=PART, name=f"entries {what} per second", bar=NO_BAR, measured=f"{_MANY / seconds:,.0f}", method=method,
            met=None, numbers={"seconds": seconds})
        for what, seconds in values
    ]  # fmt: skip
    median = statistics.median(proved)
    proof = Row(part=PART, name=f"proof of inclusion among {_MANY:,}", bar=NO_BAR, measured=f"{median * 1e3:.1f} ms",
                method="median of 50", met=None, numbers=spread(proved))  # fmt: skip
    return [*rows, proof]


def _absorbing(folder: Path) -> Row:
    ledger, spool = _open(folder), Spool(str(folder / "spool"))
    began = time.perf_counter()
    for _ in range(_SPOOLED):
        spool.add(_entry)
    writing = time.perf_counter() - began
    absorbing, done = _timed(lambda: absorb(ledger, str(folder / "spool"), datetime.now(UTC)))
    if done.entries != _SPOOLED:
        raise SystemExit("error: entries are missing")
    return Row(
        part=PART,
        name="one access recorded in the spool; spooled entries absorbed per second",
        bar=NO_BAR,
        measured=f"{writing / _SPOOLED * 1e6:.0f} µs; {_SPOOLED / absorbing:,.0f}",
        method=f"{_SPOOLED:,} entries of one live process, once",
        met=None,
        numbers={"writing": writing, "absorbing": absorbing},
    )


def _killing(folder: Path) -> Row:
    acknowledged: dict[int, bytes] = {}
    for number in range(_KILLS // 2):
        writers = [_start(folder, f"{number}.{writer}", 1 << 30) for writer in range(2)]
        for writer in writers:
            _await(writer)
            _release(writer)
        time.sleep(random.uniform(0.002, 0.08))  # noqa: S311 - any moment
        for writer in writers:
            os.kill(writer.pid, signal.SIGKILL)
        for place, writer in enumerate(writers):
            for line in writer.communicate()[0].splitlines(keepends=True):
                if line.endswith(b"\n"):
                    index, turn = map(int, line.split())
                    acknowledged[index] = _entry(f"{number}.{place}".replace(".", "-") + f":{turn}").to_bytes()
    ledger = _open(folder)
    note = ledger.checkpoint()
    found = list(ledger.read(0, ledger.size()))
    now = verifier.verify_folder(ledger.folder, ledger.key.read().public, note)
    lost = sum(found[index : index + 1] != [entry] for index, entry in acknowledged.items())
    twice = len(found) - len(set(found))
    return Row(
        part=PART,
        name=f"entries lost, doubled or forked at {_KILLS:,} kill -9 of writers that append and seal",
        bar="0",
        measured=f"{lost + twice} of {len(acknowledged):,} acknowledged",
        method="two writers at once, killed after 2 to 80 ms; every entry is compared, and the ledger verified",
        met=lost + twice == 0 and now.size == len(found),
        numbers={"acknowledged": len(acknowledged), "entries": len(found), "lost": lost, "twice": twice},
    )


def _timed(call: Callable[[], _Result]) -> tuple[float, _Result]:
    began = time.perf_counter()
    result = call()
    return time.perf_counter() - began, result


def append(folder: Path, name: str, count: int) -> None:
    """Append one entry after the other, telling each one's index, and seal now and then."""
    ledger, event = _open(folder), name.replace(".", "-")
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    for turn in range(count):
        (index,) = ledger.append([_entry(f"{event}:{turn}").to_bytes()])
        if count > _EACH:
            os.write(1, b"%d %d\n" % (index, turn))
            if turn % 25 == 24:
                ledger.checkpoint()


if __name__ == "__main__":
    if sys.argv[1:2] == ["append"]:
        from pathlib import Path

        append(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
    else:
        report(PART, measure)
