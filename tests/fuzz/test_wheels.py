"""Mutated wheels: no crash, no hang, and what zipfile installs is what was judged."""

from __future__ import annotations

import io
import signal
import zipfile
from pathlib import Path
from random import Random

import pytest

from tests.fuzz.formats import HangError, small_budget
from tests.fuzz.mutations import mutated
from tests.vectors.wheels import CHECKS, MODULE, file_name, wheel
from weighlock.errors import FormatError, OverBudgetError, UnsupportedError
from weighlock.finding import Outcome
from weighlock.formats import wheel as wheel_format
from weighlock.formats.source import BytesSource
from weighlock.inspector.packages import inspect_wheel

COUNT = 600
NAME = file_name("plain")
# zipfile may fail in any of these ways; pip then installs nothing, or not this member.
_ZIPFILE_FAILS = (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, OSError, EOFError, Exception)


def _seeds() -> list[bytes]:
    bad = [data for family in CHECKS.values() for _, data in family[0]()]
    plain = wheel("plain")[1]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive, zipfile.ZipFile(io.BytesIO(plain)) as source:
        for name in source.namelist():
            archive.writestr(name, source.read(name) * 3)
        archive.writestr("package/\u00e9.py", MODULE * 50)
    return [plain, buffer.getvalue(), wheel("plain", {"plain/__init__.py": MODULE}, scripts=["tool"])[1], *bad]


def _content_of_zipfile(data: bytes) -> dict[str, bytes] | None:
    """Return what pip would install, or `None` where it would not get as far as that."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    except _ZIPFILE_FAILS:
        return None


def _content_of_ours(data: bytes) -> dict[str, bytes] | None:
    """Return what was judged, or `None` where the wheel is refused for its archive."""
    budget = small_budget()
    try:
        found = wheel_format.parse(BytesSource(data), NAME, budget)
        if found.anomalies:
            return None
        return {member.name: member.read(budget, 1 << 20) for member in found.files}
    except (FormatError, OverBudgetError, UnsupportedError):
        return None


def _hang(*_):
    raise HangError


@pytest.fixture
def _limited():
    before = signal.signal(signal.SIGVTALRM, _hang)
    yield
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    signal.signal(signal.SIGVTALRM, before)


@pytest.mark.fuzz
@pytest.mark.usefixtures("_limited")
@pytest.mark.filterwarnings("ignore")  # zipfile warns about duplicate names
def test_what_zipfile_reads_is_what_is_judged():
    seeds, random, seen = _seeds(), Random(4), {"same": 0, "refused": 0}
    for _ in range(COUNT):
        data = mutated(random.choice(seeds), random, seeds)
        signal.setitimer(signal.ITIMER_VIRTUAL, 10)
        inspection = inspect_wheel(BytesSource(data), NAME, budget=small_budget())
        theirs, ours = _content_of_zipfile(data), _content_of_ours(data)
        if ours is None:
            assert inspection.outcome >= Outcome.UNVERIFIABLE
            seen["refused"] += 1
        elif theirs is not None:
            assert theirs == ours
            seen["same"] += 1
    assert min(seen.values()) > COUNT // 30, seen


def test_the_seeds_are_the_vectors():
    there = Path(__file__).parent.parent / "vectors"
    assert all((there / check / "bad").is_dir() for check in CHECKS)
