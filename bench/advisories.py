"""The advisory database against pip-audit: `python -m bench.advisories` writes `results/advisories.json`.

Both get the same records, a snapshot of all of PyPI's own advisories: ours as a database, pip-audit over OSV's query
API on loopback, which evaluates records by OSV's pseudo-code and shares no code with ours. ``OSV_SNAPSHOT`` names the
snapshot; by default it lies beside the repository, in ``shared/data``. Without it nothing is measured.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import time
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.version import InvalidVersion, Version

from bench.row import NO_BAR, Row, report, spread
from tests.advisories.osv_api import osv_api
from weighlock.advisories import update
from weighlock.advisories.database import Database
from weighlock.advisories.pip_audit import PipAudit, pin_of

if TYPE_CHECKING:
    from collections.abc import Iterator

PART = "advisories"
SNAPSHOT = Path(__file__).parent.parent.parent / "shared" / "data" / "osv-pypi-2024-10.zip"
_PINS = 200
_ROUNDS = 5
_RUNS = 9
_QUERY = """
import json, sys, time
from pathlib import Path
from weighlock.advisories.database import Database
pins = [tuple(pin) for pin in json.load(sys.stdin)]
with Database(Path(sys.argv[1])) as database:
    clock, processor = time.perf_counter(), time.process_time()
    found = database.query(pins)
    print(time.perf_counter() - clock, time.process_time() - processor, sum(map(len, found)))
"""


def measure(folder: Path) -> list[Row]:
    """Measure everything about advisories.

    Args:
        folder: Empty.
    """
    snapshot = Path(os.environ.get("OSV_SNAPSHOT", SNAPSHOT))
    if not snapshot.is_file():
        return [_absent(name) for name in (_SAME, _TIME, _SIZE)]
    path = folder / "advisories.sqlite"
    start = time.perf_counter()
    status = update.from_files(path, [str(snapshot)], now=datetime.now(UTC)).status
    built = time.perf_counter() - start
    with zipfile.ZipFile(snapshot) as archive:
        records = [json.loads(archive.read(name)) for name in archive.namelist()]
    pins = list(_pins(records, random.Random(0)))  # noqa: S311 - the same pins in every run
    return [_same(path, records), _time(path, pins), _size(path, built, status.records, status.packages)]


def _pins(records: list[dict[str, Any]], some: random.Random) -> Iterator[tuple[str, str]]:
    """Yield 120 packages in a version that is listed somewhere, and 80 in one that is said to be fixed."""
    listed, fixed = dict[str, set[str]](), dict[str, set[str]]()
    for record in records:
        for affected in record["affected"]:
            name = affected["package"]["name"]
            listed.setdefault(name, set()).update(filter(_is_version, affected.get("versions", [])))
            events = (event for one in affected.get("ranges", []) if one["type"] != "GIT" for event in one["events"])
            fixed.setdefault(name, set()).update(filter(_is_version, (event.get("fixed", "") for event in events)))
    names = [name for name in sorted(listed) if listed[name] and fixed[name]]
    for number, name in enumerate(some.sample(names, _PINS)):
        yield name, some.choice(sorted(listed[name] if number < 120 else fixed[name]))


def _is_version(text: str) -> bool:
    try:
        return bool(Version(text))
    except InvalidVersion:
        return False


_SAME = "200 pinned requirements: findings against those of pip-audit, fed the same data"
_TIME = "200 pinned requirements: time in process, the database opened"
_SIZE = "the advisory database of PyPI's own records: size, and time to build it"


def _same(path: Path, records: list[dict[str, Any]]) -> Row:
    findings = different = problems = 0
    seconds = []
    with osv_api(records) as url, Database(path) as database:
        for seed in range(_ROUNDS):
            pins = list(_pins(records, random.Random(seed)))  # noqa: S311 - the same pins in every run
            start = time.perf_counter()
            audit = PipAudit(url).audit(pins)
            seconds.append(time.perf_counter() - start)
            problems += len(audit.problems)
            for pin, ours in zip(pins, database.query(pins), strict=True):
                theirs = sorted(found.id for found in audit.found.get(pin_of(*pin), ()))
                findings += len(theirs)
                different += theirs != [found.id for found in ours]
    return Row(
        part=PART,
        name=_SAME,
        bar="identical",
        measured=f"{findings} findings in {_ROUNDS} times {_PINS} packages, {different} packages with others",
        method=f"pip-audit --strict over OSV's query API on loopback, median {statistics.median(seconds):.1f} s for "
        f"{_PINS}; the server evaluates records by OSV's pseudo-code and shares no code with weighlock",
        met=different == 0 and problems == 0,
        numbers={"findings": findings, "different": different, "problems": problems, "pip-audit": spread(seconds)},
    )


def _time(path: Path, pins: list[tuple[str, str]]) -> Row:
    clock, processor = [], []
    for _ in range(_RUNS):
        command = [sys.executable, "-c", _QUERY, str(path)]
        done = subprocess.run(command, input=json.dumps(pins), capture_output=True, text=True, check=True)
        passed, used, count = done.stdout.split()
        clock.append(float(passed) * 1e3)
        processor.append(float(used) * 1e3)
    return Row(
        part=PART,
        name=_TIME,
        bar="30 ms at most",
        measured=f"{statistics.median(processor):.1f} ms of processor time, {statistics.median(clock):.1f} ms on the "
        f"clock, {count} findings",
        method=f"the first query of a new process, nothing remembered, one thread; median of {_RUNS}; the bar is held "
        "against processor time, since other work on the machine adds to the clock",
        met=statistics.median(processor) <= 30,
        numbers={"processor": spread(processor), "clock": spread(clock), "findings": int(count)},
    )


def _size(path: Path, built: float, records: int, packages: int) -> Row:
    size = path.stat().st_size
    return Row(
        part=PART,
        name=_SIZE,
        bar=NO_BAR,
        measured=f"{size / 1e6:.1f} MB, {built:.1f} s",
        method=f"{records} records about {packages} packages, from OSV's zip file on disk to the database in its place",
        met=None,
        numbers={"bytes": size, "seconds": built},
    )


def _absent(name: str) -> Row:
    return Row(part=PART, name=name, bar=NO_BAR, measured="not measured: no snapshot here", method="", met=None)


if __name__ == "__main__":
    report(PART, measure)
