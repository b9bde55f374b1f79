from __future__ import annotations

import fcntl
import os
import signal
import stat
import subprocess
import sys
import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

import weighlock
from weighlock.entry import Entry
from weighlock.ledger import spool as spool_module
from weighlock.ledger.spool import Spool, actor
from weighlock.verdict import Decision


def _record(spool: Spool, subject: str = "model.bin") -> None:
    spool.add(
        lambda event, now: Entry(
            time=now,
            event=event,
            gate="load",
            kind="model",
            subject=subject,
            verdict=Decision.DENY,
        )
    )


def _lines(folder) -> list[Entry]:
    files = sorted(folder.glob("*.jsonl"), key=lambda file: file.stat().st_ctime_ns)
    return [Entry.from_bytes(line) for file in files for line in file.read_bytes().splitlines()]


def _subjects(file) -> list[str]:
    return [Entry.from_bytes(line).subject for line in file.read_bytes().splitlines()]


def test_what_was_recorded_is_read_back_in_its_order(tmp_path):
    spool = Spool(str(tmp_path / "spool"))
    for name in ("one", "two\nlines", "\x1b[31mthree\udc80"):
        _record(spool, name)
    entries = _lines(tmp_path / "spool")
    assert [entry.subject for entry in entries] == ["one", "two\nlines", "\x1b[31mthree\\udc80"]
    assert len({entry.event for entry in entries}) == 3
    assert all(abs((datetime.now(UTC) - entry.time).total_seconds()) < 60 for entry in entries)


def test_a_spool_is_its_users_alone(tmp_path):
    _record(Spool(str(tmp_path / "spool")))
    assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "spool").iterdir()} == {0o600}


def test_a_process_that_is_killed_at_once_loses_nothing(tmp_path):
    program = f"""
        import os, signal
        from tests.ledger.test_spool import _record
        from weighlock.ledger.spool import Spool
        spool = Spool({str(tmp_path)!r})
        for number in range(50):
            _record(spool, str(number))
        os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert [entry.subject for entry in _lines(tmp_path)] == [str(number) for number in range(50)]


def test_a_child_of_fork_has_a_file_of_its_own_and_leaves_the_parents_lock(tmp_path):
    spool = Spool(str(tmp_path))
    _record(spool, "parent")
    child = os.fork()
    if child == 0:
        _record(spool, "child")
        os._exit(0)
    os.waitpid(child, 0)
    _record(spool, "parent")
    files = {
        file: [Entry.from_bytes(line).subject for line in file.read_bytes().splitlines()] for file in tmp_path.iterdir()
    }
    assert sorted(files.values()) == [["child"], ["parent", "parent"]]
    for file, subjects in files.items():
        with file.open() as opened:
            if subjects == ["child"]:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            else:
                with pytest.raises(BlockingIOError):
                    fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_folder_that_cannot_be_written_is_an_error_and_not_silence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        _record(Spool(str(tmp_path / "file" / "spool")))


def test_an_environment_cannot_name_another_actor():
    assert actor({"USER": "mallory", "LOGNAME": "mallory", "USERNAME": "mallory"}) == actor({})
    assert "@" in actor({})


def test_a_process_that_ends_with_an_open_spool_says_nothing_about_it(tmp_path):
    (tmp_path / "plain.pkl").write_bytes(b"]q\x00.")
    (tmp_path / "program.py").write_text(
        "import weighlock.auto, pickle\npickle.load(open('plain.pkl', 'rb'))\nprint('done')\n"
    )
    (tmp_path / "weighlock.toml").write_text('unlocked = "inspect"\n')
    source = os.path.dirname(os.path.dirname(weighlock.__file__))
    environ = {"WEIGHLOCK_LEDGER": str(tmp_path / "ledger"), "HOME": str(tmp_path), "PYTHONPATH": source}
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
    assert len(_lines(tmp_path / "ledger" / "spool")) == 1


def test_threads_share_one_file_and_count_together(tmp_path):
    spool = Spool(str(tmp_path))
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: _record(spool), range(400)))
    (file,) = tmp_path.iterdir()
    events = [Entry.from_bytes(line).event for line in file.read_bytes().splitlines()]
    assert [event.partition(":")[2] for event in events] == [str(number) for number in range(1, 401)]


def test_a_child_of_fork_does_not_wait_for_a_thread_of_its_parent(tmp_path):
    spool = Spool(str(tmp_path))
    _record(spool, "parent")
    with spool_module._mutex:
        child = os.fork()
        if child == 0:
            thread = threading.Thread(target=_record, args=(spool, "child"), daemon=True)
            thread.start()
            thread.join(20)
            os._exit(int(thread.is_alive()))
        _, status = os.waitpid(child, 0)
    assert status == 0
    assert sorted(subject for file in tmp_path.iterdir() for subject in _subjects(file)) == ["child", "parent"]


@pytest.mark.parametrize("what", ["file", "folder"])
def test_records_after_somebody_removed_the_spool_are_not_written_into_nothing(what, tmp_path):
    folder, spool = tmp_path / "spool", Spool(str(tmp_path / "spool"))
    _record(spool, "before")
    for file in folder.iterdir():
        file.unlink()
    if what == "folder":
        folder.rmdir()
    _record(spool, "after")
    _record(spool, "and again")
    assert [entry.subject for entry in _lines(folder)] == ["after", "and again"]
    spool.close()
