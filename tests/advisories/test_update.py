from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.advisories.osv_files import DAY, NOW, record, zipped
from tests.sources.conftest import Page, web
from weighlock.advisories import archive, update
from weighlock.advisories.database import Database
from weighlock.errors import AdvisoryError, SourceError, WeighlockError
from weighlock.sources.interface import Silence
from weighlock.sources.transport import Transport

__all__ = ["web"]

OLD = zipped(record("PYSEC-1", versions=["1"], modified="2026-11-01T00:00:00Z"))
NEW = zipped(record("PYSEC-1", versions=["1"]), record("PYSEC-2", versions=["1"]))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "advisories.sqlite"


def fetch(path: Path, *urls: str, now=NOW) -> update.Update:
    return update.from_network(path, urls, Transport(timeout=10), now=now, progress=Silence())


def from_bytes(path: Path, *files: bytes, now=NOW) -> update.Update:
    names = []
    for number, data in enumerate(files):
        file = path.parent.parent / f"{number}.zip"
        file.write_bytes(data)
        names.append(str(file))
    return update.from_files(path, names, now=now)


def known(path: Path) -> list[str]:
    with Database(path) as database:
        return [advisory.id for advisory in database.query([("example", "1")])[0]]


def leftovers(path: Path) -> list[str]:
    return [name for name in os.listdir(path.parent) if name not in {path.name, f".{path.name}.lock"}]


def test_an_update_over_the_network(web, path):
    web.pages["/PyPI/all.zip"] = Page(NEW)
    done = fetch(path, web.url("/PyPI/all.zip"))
    assert done.changed
    assert known(path) == ["PYSEC-1", "PYSEC-2"]
    assert done.status.origins[0].label == web.url("/PyPI/all.zip")
    assert not leftovers(path)


def test_a_second_update_asks_whether_anything_changed(web, path):
    web.pages["/all.zip"] = Page(NEW, etag='"one"', headers={"Last-Modified": "Tue, 24 Nov 2026 12:00:00 GMT"})
    fetch(path, web.url("/all.zip"))
    web.pages["/all.zip"] = Page(status=304)
    before = path.stat()
    assert not fetch(path, web.url("/all.zip"), now=NOW + DAY).changed
    assert web.requests[-1][1]["if-none-match"] == '"one"'
    assert web.requests[-1][1]["if-modified-since"] == "Tue, 24 Nov 2026 12:00:00 GMT"
    assert os.path.samestat(before, path.stat())


def test_a_server_that_never_gets_anything_new_does_not_look_fresh(web, path):
    web.pages["/all.zip"] = Page(OLD, etag='"one"')
    fetch(path, web.url("/all.zip"))
    web.pages["/all.zip"] = Page(status=304)
    status = fetch(path, web.url("/all.zip"), now=NOW + 20 * DAY).status
    assert "44 days old" in status.problem(NOW + 20 * DAY, 30 * DAY)


def test_without_a_database_nothing_is_asked_conditionally(web, path):
    web.pages["/all.zip"] = Page(NEW, etag='"one"')
    fetch(path, web.url("/all.zip"))
    path.write_bytes(b"broken")
    fetch(path, web.url("/all.zip"))
    assert "if-none-match" not in web.requests[-1][1]
    assert known(path) == ["PYSEC-1", "PYSEC-2"]


def test_an_answer_of_not_modified_to_a_question_that_was_not_asked_is_an_error(web, path):
    web.pages["/all.zip"] = Page(status=304)
    with pytest.raises(SourceError):
        fetch(path, web.url("/all.zip"))
    assert not path.exists()


def test_of_two_files_one_changed_and_the_other_is_there_as_well(web, path):
    web.pages["/a.zip"], web.pages["/b.zip"] = (
        Page(OLD, etag='"a"'),
        Page(zipped(record("MAL-1", versions=["1"])), etag='"b"'),
    )
    fetch(path, web.url("/a.zip"), web.url("/b.zip"))
    web.pages["/a.zip"] = Page(NEW, etag='"a2"')
    assert fetch(path, web.url("/a.zip"), web.url("/b.zip")).changed
    assert known(path) == ["MAL-1", "PYSEC-1", "PYSEC-2"]


def test_other_urls_than_before_are_fetched_anew(web, path):
    web.pages["/a.zip"], web.pages["/b.zip"] = Page(OLD, etag='"a"'), Page(NEW, etag='"b"')
    fetch(path, web.url("/a.zip"))
    fetch(path, web.url("/a.zip"), web.url("/b.zip"))
    assert all("if-none-match" not in headers for _, headers in web.requests)


def test_credentials_in_a_url_are_not_kept(web, path):
    web.pages["/all.zip"] = Page(NEW)
    fetch(path, web.url("/all.zip?token=secret"))
    assert b"secret" not in path.read_bytes()


@pytest.mark.parametrize(
    "page",
    [
        Page(status=404),
        Page(status=403),
        Page(b"<html>please log in</html>"),
        Page(b""),
        Page(NEW[:-30]),
        Page(NEW, headers={"Content-Encoding": "gzip"}),
        Page(zipped()),
        Page(zipped(record("PYSEC-1", ecosystem="npm", versions=["1"]))),
        Page(zipped(record("PYSEC-1", versions=["1"]), b"{")),
        Page(zipped(record("PYSEC-1", versions=["1"]), b"[" * 100_000)),
        Page(zipped(record("PYSEC-1", versions=["1"]), {"id": "PYSEC-2", "affected": [7]})),
        Page(NEW, claimed=len(NEW) + 10),
    ],
    ids=range(12),
)
def test_a_server_that_sends_something_else_changes_nothing(web, path, page):
    web.pages["/all.zip"] = Page(OLD)
    fetch(path, web.url("/all.zip"))
    before = path.read_bytes()
    web.pages["/all.zip"] = page
    with pytest.raises(WeighlockError):
        fetch(path, web.url("/all.zip"))
    assert path.read_bytes() == before
    assert not leftovers(path)


def test_a_connection_that_breaks_is_tried_again(web, path):
    web.pages["/all.zip"] = Page(NEW, lengths=[10])
    fetch(path, web.url("/all.zip"))
    assert known(path) == ["PYSEC-1", "PYSEC-2"]


def test_a_server_that_cannot_be_reached_names_the_other_way(path):
    with pytest.raises(SourceError) as caught:
        fetch(path, "http://127.0.0.1:9/all.zip")
    assert "--from FILE" in caught.value.hint


def test_a_file_that_is_larger_than_it_may_be_is_not_read(web, path, monkeypatch):
    monkeypatch.setattr(update, "LARGEST", 100)
    web.pages["/all.zip"] = Page(NEW)
    with pytest.raises(SourceError, match="larger"):
        fetch(path, web.url("/all.zip"))


def test_a_zip_bomb_is_not_unpacked(path, monkeypatch):
    monkeypatch.setattr(archive, "_MOST_BYTES", 1 << 20)
    path.parent.mkdir()
    with pytest.raises(WeighlockError, match="unpacks to more"):
        from_bytes(path, zipped(*(record("PYSEC-1", versions=["1"], details="x" * 500_000) for _ in range(3))))
    with pytest.raises(WeighlockError, match="unpacks to more"):
        from_bytes(path, zipped(record("PYSEC-1", versions=["1"]), b" " * (17 << 20)))


def test_a_zip_file_that_readers_could_read_in_two_ways_is_refused(path):
    path.parent.mkdir()
    with pytest.raises(WeighlockError, match="readers could differ"):
        from_bytes(path, b"in front" + NEW)


def test_a_damaged_file_is_refused_by_its_checksum(path):
    path.parent.mkdir()
    stored = bytearray(zipped(record("PYSEC-1", versions=["1"], details="x" * 50)))
    stored[60] ^= 1
    with pytest.raises(WeighlockError, match="zip file"):
        from_bytes(path, bytes(stored))


def test_several_files_become_one_database_and_the_oldest_says_how_old_it_is(path):
    path.parent.mkdir()
    done = from_bytes(path, NEW, zipped(record("MAL-1", versions=["1"], modified="2026-06-01T00:00:00Z")))
    assert known(path) == ["MAL-1", "PYSEC-1", "PYSEC-2"]
    assert done.status.malware == 1
    assert "177 days old" in done.status.problem(NOW, 30 * DAY)


def test_files_are_read_without_asking_any_server(path, monkeypatch):
    path.parent.mkdir()
    monkeypatch.setattr("socket.socket", None)
    assert from_bytes(path, NEW).changed


@pytest.mark.parametrize("name", ["none.zip", ".", "a\0b"])
def test_a_file_that_cannot_be_read(path, tmp_path, name):
    with pytest.raises(AdvisoryError, match="cannot be read"):
        update.from_files(path, [str(tmp_path / name)], now=NOW)


def test_a_named_pipe_does_not_hang_it(path, tmp_path):
    os.mkfifo(tmp_path / "all.zip")
    with pytest.raises(AdvisoryError, match="not a regular file"):
        update.from_files(path, [str(tmp_path / "all.zip")], now=NOW)


def test_a_database_does_not_go_back_in_time(web, path):
    web.pages["/all.zip"] = Page(NEW)
    fetch(path, web.url("/all.zip"))
    web.pages["/all.zip"] = Page(OLD)
    with pytest.raises(AdvisoryError, match="a step back: its newest record is of 2026-11-01, and that of 2026-11-24"):
        fetch(path, web.url("/all.zip"))
    assert known(path) == ["PYSEC-1", "PYSEC-2"]


def test_a_database_does_not_lose_most_of_its_records(web, path):
    web.pages["/all.zip"] = Page(zipped(*(record(f"PYSEC-{number}", versions=["1"]) for number in range(9))))
    fetch(path, web.url("/all.zip"))
    web.pages["/all.zip"] = Page(zipped(*(record(f"PYSEC-{number}", versions=["1"]) for number in range(4))))
    with pytest.raises(AdvisoryError, match="it has 4 records, and there were 9"):
        fetch(path, web.url("/all.zip"))


def test_a_reader_goes_on_with_the_database_that_it_opened(path):
    path.parent.mkdir()
    from_bytes(path, OLD)
    with Database(path) as reader:
        from_bytes(path, NEW)
        assert [advisory.id for advisory in reader.query([("example", "1")])[0]] == ["PYSEC-1"]
    assert known(path) == ["PYSEC-1", "PYSEC-2"]


def test_two_updates_at_once_come_one_after_the_other(web, path):
    web.pages["/all.zip"] = Page(NEW, etag='"one"')
    failures = []

    def run() -> None:
        try:
            fetch(path, web.url("/all.zip"))
        except Exception as error:  # noqa: BLE001 - it is looked at below
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert known(path) == ["PYSEC-1", "PYSEC-2"]
    assert not leftovers(path)


_KILLED = """
import os, signal, sys
from datetime import datetime, UTC
from pathlib import Path
from weighlock.advisories import update
from weighlock.advisories.database import Database
moment = sys.argv[3]
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
if moment == "writing":
    update.Builder._fill = lambda self, connection: (connection.execute("INSERT INTO meta VALUES ('a', 'b')"), die())
elif moment == "written":
    os.fsync = die
else:
    os.replace = die
update.from_files(Path(sys.argv[1]), [sys.argv[2]], now=datetime(2026, 11, 25, 12, tzinfo=UTC))
"""


@pytest.mark.parametrize("moment", ["writing", "written", "replacing"])
def test_an_update_that_is_killed_leaves_the_old_database_and_the_next_one_cleans_up(path, tmp_path, moment):
    path.parent.mkdir()
    from_bytes(path, OLD)
    before = path.read_bytes()
    (tmp_path / "new.zip").write_bytes(NEW)
    done = subprocess.run([sys.executable, "-c", _KILLED, path, tmp_path / "new.zip", moment], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == before
    assert known(path) == ["PYSEC-1"]
    assert leftovers(path)
    from_bytes(path, NEW)
    assert known(path) == ["PYSEC-1", "PYSEC-2"]
    assert not leftovers(path)


def test_a_full_disk_changes_nothing(path, monkeypatch):
    path.parent.mkdir()
    from_bytes(path, OLD)
    before = path.read_bytes()

    def full(self, connection) -> None:
        connection.execute("PRAGMA max_page_count=4")
        for number in range(1000):
            connection.execute("INSERT INTO meta VALUES (?, ?)", (str(number), "x" * 1000))

    monkeypatch.setattr(update.Builder, "_fill", full)
    with pytest.raises(WeighlockError, match="full") as caught:
        from_bytes(path, NEW)
    assert "nothing was changed" in caught.value.hint
    assert path.read_bytes() == before
    assert not leftovers(path)


def test_a_disk_that_is_full_when_the_file_is_flushed_changes_nothing(path, monkeypatch):
    path.parent.mkdir()
    from_bytes(path, OLD)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WeighlockError, match="No space left") as caught:
        from_bytes(path, NEW)
    assert "make room" in caught.value.hint
    monkeypatch.undo()
    assert known(path) == ["PYSEC-1"]
    assert not leftovers(path)


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WeighlockError, match="cannot be written"):
        update.from_files(tmp_path / "file" / "advisories.sqlite", [], now=NOW)


def test_the_urls_are_those_of_the_variable():
    assert update.urls({}) == (update.URL,)
    assert update.urls({"WEIGHLOCK_ADVISORIES_URL": " https://a/x.zip  https://b/y.zip "}) == (
        "https://a/x.zip",
        "https://b/y.zip",
    )


def test_a_url_without_encryption_is_refused(path):
    with pytest.raises(SourceError, match="without encryption"):
        fetch(path, "http://mirror.example/all.zip")


def test_hostile_texts_are_kept_as_they_are(path):
    path.parent.mkdir()
    text = "\x1b[2J' ); DROP TABLE record; -- \u202e\x00 half \ud800"
    from_bytes(path, zipped(record("PYSEC-1", versions=["1"], summary=text)))
    with Database(path) as database, sqlite3.connect(path) as connection:
        assert database.query([("example", "1")])[0][0].summary.startswith("\x1b[2J'")
        assert connection.execute("SELECT count(*) FROM record").fetchone() == (1,)
    connection.close()
