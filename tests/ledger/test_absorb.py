"""Absorbing spools: nothing is lost, nothing is there twice, and nothing broken is dropped in silence."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from weighlock.entry import Entry
from weighlock.errors import LedgerError
from weighlock.ledger.absorb import absorb
from weighlock.ledger.keys import LedgerKey
from weighlock.ledger.spool import Spool
from weighlock.ledger.store import FileLedger
from weighlock.verdict import Decision

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def make(event, time=NOW, subject="model"):
    return Entry(time=time, event=event, gate="load", kind="model", subject=subject, verdict=Decision.DENY)


@pytest.fixture
def place(tmp_path):
    (tmp_path / "spool").mkdir()
    return tmp_path


def ledger_of(place):
    return FileLedger(str(place / "ledger"), LedgerKey(str(place / "key")))


def entries(place):
    ledger = ledger_of(place)
    return [Entry.from_bytes(one) for one in ledger.read(0, ledger.size())]


def run(place, now=NOW):
    return absorb(ledger_of(place), str(place / "spool"), now)


def dead(place, name, data):
    """Leave what a process that ended wrote."""
    path = place / "spool" / f"{name}.jsonl"
    path.write_bytes(data)
    return path


def lines(*events):
    return b"".join(make(event).to_bytes() + b"\n" for event in events)


def test_lines_of_a_live_process_are_absorbed_once_and_its_file_stays(place):
    spool = Spool(str(place / "spool"))
    for number in range(3):
        spool.add(make)
        assert run(place).entries == 1
        assert len(entries(place)) == number + 1
    assert run(place).entries == 0
    assert len(list((place / "spool").glob("*.jsonl"))) == 1


def test_the_file_of_a_process_that_ended_is_removed(place):
    path = dead(place, "a", lines("one", "two"))
    assert run(place).entries == 2
    assert not path.exists()
    assert run(place).entries == 0


def test_a_file_that_a_process_made_this_moment_is_not_taken_away_from_it(place):
    path = dead(place, "a", b"")
    run(place, datetime.now(UTC))
    assert path.exists()
    run(place, datetime.now(UTC) + timedelta(days=2))
    assert not path.exists()


def test_half_a_line_of_a_live_process_waits_for_its_other_half(place):
    path = dead(place, "a", lines("one") + lines("two")[:30])
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        assert run(place).entries == 1
        file.write(lines("two")[30:])
        file.flush()
        assert run(place).entries == 1
    assert [one.event for one in entries(place)] == ["one", "two"]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"\xff\x00",
        b"[" * 5000,
        lines("e")[:-20],
        lines("e").replace(b'"load"', b' "load"').strip(),
        bytes(70_000),
        b"x" * 3_000_000,
    ],
    ids=lambda line: str(len(line)),
)
@pytest.mark.parametrize("ended", [True, False])
def test_a_line_that_is_no_entry_is_recorded_with_its_digest(place, line, ended):
    path = dead(place, "a", lines("one") + line + b"\n" + lines("two"))
    with path.open("ab") as file:
        if not ended:
            fcntl.flock(file, fcntl.LOCK_SH)
        assert run(place).broken == 1
    found = entries(place)
    assert [one.event for one in found][::2] == ["one", "two"]
    assert (found[1].digest.value, found[1].size) == (hashlib.sha256(line).hexdigest(), len(line))
    assert (found[1].rules, found[1].verdict) == (("not-an-entry",), Decision.DENY)


@pytest.mark.parametrize("cut", [1, 2, 40])
def test_the_torn_last_line_of_a_killed_process_is_recorded(place, cut):
    data = lines("one", "two")[:-cut]
    path = dead(place, "a", data)
    run(place)
    found = entries(place)
    assert len(found) == 2
    assert found[1].event == "two" if cut == 1 else found[1].rules == ("not-an-entry",)
    assert not path.exists()


def test_two_lines_of_one_event_are_both_recorded(place):
    """Whoever guesses a name of an event cannot keep another record of that name out."""
    dead(place, "a", lines("one") + make("one", subject="other").to_bytes() + b"\n" + lines("one"))
    assert run(place).entries == 3


def test_links_pipes_and_other_files_are_not_read(place):
    os.mkfifo(place / "spool" / "a.jsonl")
    (place / "other").write_bytes(lines("one"))
    (place / "spool" / "b.jsonl").symlink_to(place / "other")
    (place / "spool" / "c.txt").write_bytes(lines("one"))
    assert run(place).entries == 0


def test_files_of_others_that_cannot_be_read_are_counted(place):
    dead(place, "a", lines("one")).chmod(0)
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    assert run(place).unreadable == 1


def test_a_broken_account_of_what_was_absorbed_stops_everything(place):
    dead(place, "a", lines("one"))
    for text in ("", "[]", '{"version": 2, "offsets": {}, "pending": null}', '{"version": 1}'):
        (place / "spool" / "absorbed.json").write_text(text)
        with pytest.raises(LedgerError, match="broken"):
            run(place)
    assert entries(place) == []


class Killed(BaseException):
    pass


@pytest.mark.parametrize("step", ["before", "after", "half"])
def test_absorbing_that_was_killed_loses_and_doubles_nothing(place, step):
    dead(place, "a", lines("one", "two") + b"broken\n")
    dead(place, "b", lines("three", "four"))
    ledger = ledger_of(place)
    append = ledger.append

    def killed(batch):
        if step != "before":
            append(batch if step == "after" else batch[:2])
        raise Killed

    ledger.append = killed
    with pytest.raises(Killed):
        absorb(ledger, str(place / "spool"), NOW)
    ledger_of(place).append(lines("another").splitlines())
    dead(place, "c", lines("five"))
    run(place, NOW + timedelta(hours=1))
    events = sorted(one.event.split(":")[-1] for one in entries(place))
    assert events == sorted(["one", "two", "three", "four", "five", "another", str(len(lines("one", "two")))])


ABSORBER = """
import sys
from datetime import UTC, datetime
from weighlock.ledger.absorb import absorb
from weighlock.ledger.keys import LedgerKey
from weighlock.ledger.store import FileLedger

folder = sys.argv[1]
ledger = FileLedger(folder + "/ledger", LedgerKey(folder + "/key"))
print("ready", flush=True)
while True:
    absorb(ledger, folder + "/spool", datetime.now(UTC))
"""

WRITER = """
import sys
import time
from weighlock.entry import Entry
from weighlock.ledger.spool import Spool
from weighlock.verdict import Decision

spool = Spool(sys.argv[1] + "/spool")
def make(event, time):
    print(event, flush=True)
    return Entry(time=time, event=event, gate="load", kind="model", subject="m", verdict=Decision.ALLOW)
while True:
    spool.add(make)
    time.sleep(0.0005)
"""


def test_writers_and_absorbers_killed_at_any_moment_lose_and_double_nothing(place):
    recorded = []
    for number in range(4):
        writers, files = [], []
        for script in (WRITER, WRITER, ABSORBER, ABSORBER):
            files.append((place / f"{number}.{len(writers)}").open("w+b"))
            command = [sys.executable, "-c", script, str(place)]
            writers.append(subprocess.Popen(command, stdout=files[-1], stderr=subprocess.PIPE))
        deadline = time.monotonic() + 20
        while any(not os.fstat(file.fileno()).st_size for file in files) and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(0.01 * number)
        for process in reversed(writers):
            os.kill(process.pid, signal.SIGKILL)
        for process, file in zip(writers, files, strict=True):
            assert process.communicate()[1] == b""
            file.seek(0)
            # The last event of each was told before it was recorded.
            recorded += file.read().decode().splitlines()[:-1]
            file.close()
    run(place)
    found = [one.event for one in entries(place)]
    assert len(recorded) > 10
    assert set(recorded) <= set(found)
    assert len(found) == len(set(found))
    assert json.loads((place / "spool" / "absorbed.json").read_text())["offsets"] == {}


@pytest.mark.parametrize("offsets", ['{"a.jsonl": -5}', '{"a.jsonl": 1e999}', '{"a.jsonl": true}', '{"../a.jsonl": 1}'])
def test_places_that_no_file_has_are_refused(place, offsets):
    dead(place, "a", lines("one:1"))
    state = place / "spool" / "absorbed.json"
    state.write_text(f'{{"version": 1, "offsets": {offsets}, "pending": null}}')
    with pytest.raises(LedgerError, match="broken"):
        run(place)
    time = NOW.isoformat()
    for pending in (f'"size": 0, "places": {{"../x": [0, 9]}}, "time": "{time}"', f'"size": -1, "time": "{time}"'):
        state.write_text(f'{{"version": 1, "offsets": {{}}, "pending": {{{pending}}}}}')
        with pytest.raises(LedgerError):
            run(place)
