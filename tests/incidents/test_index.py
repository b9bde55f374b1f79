"""The index is believed only where nobody else could have written it, and never where it says nowhere."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import stat
from pathlib import Path

import pytest

from tests.incidents.world import digest, locked
from weighlock.incidents.index import Index, place_of
from weighlock.incidents.tables import TABLES


@pytest.fixture
def indexed(world):
    """Make a world with an index that knows one digest."""
    world.lock(locked("org/base", "base:w"))
    world.record(world.entry("base:w"), world.entry("other"))
    assert world.where("org/base").found
    return world


def index_of(world) -> Path:
    """Return the file of the index."""
    return Path(place_of(world.environ, world.ledger.place) or "")


def spoil(world, *statements: str) -> None:
    """Change the index as somebody would who can write it."""
    connection = sqlite3.connect(index_of(world))
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_it_is_for_this_user_alone(indexed):
    path = index_of(indexed)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_digest_that_was_taken_out_is_found_nevertheless(indexed):
    spoil(indexed, "DELETE FROM access", "DELETE FROM key", "DELETE FROM item")
    found = indexed.where(digest("base:w"))
    assert found.locked
    assert [one.count for one in found.accesses] == [1]
    assert any("was made anew" in note for note in found.notes)


def test_an_access_that_was_taken_out_is_found_where_nothing_else_is_known(indexed):
    spoil(indexed, "DELETE FROM access")
    assert [one.count for one in indexed.where(digest("other")).accesses] == [1]


def test_a_model_that_was_taken_out_is_found_nevertheless(indexed):
    spoil(indexed, "DELETE FROM key", "DELETE FROM item")
    assert indexed.where("org/base").locked


def test_an_index_that_claims_to_have_read_more_is_made_anew(indexed):
    indexed.record(indexed.entry("new"))
    spoil(indexed, "UPDATE meta SET value = value + 1 WHERE key = 'entries'")
    found = indexed.where(digest("new"))
    assert found.accesses
    assert any("made anew" in note for note in found.notes)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE access SET numbers = x'05'",
        "UPDATE access SET numbers = 'text'",
        "UPDATE item SET detail = '{'",
        "UPDATE source SET told = 'no JSON'",
        "UPDATE access SET first = 1 << 62",
    ],
)
def test_rows_that_nobody_wrote_so_are_made_anew(indexed, statement):
    spoil(indexed, statement)
    found = indexed.where(digest("base:w"))
    assert found.locked
    assert [one.count for one in found.accesses] == [1]
    assert any("made anew" in note for note in found.notes)


def test_an_index_that_forgot_its_tree_is_made_anew(indexed):
    spoil(indexed, "UPDATE meta SET value = zeroblob(32) WHERE key = 'tree'")
    found = indexed.where(digest("other"))
    assert [one.count for one in found.accesses] == [1]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER hide AFTER INSERT ON access BEGIN DELETE FROM access; END",
        "CREATE VIEW shown AS SELECT 1",
        "CREATE TABLE more (a)",
        "DROP TABLE edge",
        "PRAGMA user_version=99",
        "PRAGMA application_id=1",
    ],
)
def test_other_tables_triggers_and_views_are_not_believed(indexed, statement):
    spoil(indexed, statement)
    found = indexed.where(digest("other"))
    assert found.accesses
    assert any("made anew" in note for note in found.notes)
    connection = sqlite3.connect(index_of(indexed))
    assert {row[0] for row in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")} == set(TABLES)
    connection.close()


def test_a_view_in_place_of_a_table_is_not_believed(indexed):
    spoil(indexed, "DROP TABLE edge", "CREATE VIEW edge AS SELECT 1 AS word, 1 AS item, 'ancestor' AS kind")
    assert indexed.where(digest("other")).accesses


@pytest.mark.parametrize("data", [b"", b"not a database", b"SQLite format 3\0" + bytes(5000)])
def test_a_file_that_is_no_index_is_made_anew(indexed, data):
    index_of(indexed).write_bytes(data)
    assert indexed.where("org/base").locked


def test_broken_pages_are_made_anew(indexed):
    path = index_of(indexed)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    data = bytearray(path.read_bytes())
    for start in range(8192 * 2, len(data), 8192):
        data[start : start + 2000] = os.urandom(2000)
    path.write_bytes(data)
    found = indexed.where(digest("other"))
    assert found.accesses
    assert any("made anew" in note for note in found.notes)


def test_a_link_in_place_of_the_index_leads_nowhere(indexed, tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    path = index_of(indexed)
    path.unlink()
    path.symlink_to(victim)
    found = indexed.where("org/base")
    assert found.locked
    assert victim.read_bytes() == b"precious"
    assert not path.is_symlink()
    assert any("no file of its own" in note for note in found.notes)


def test_a_second_name_of_another_file_is_not_written_to(indexed, tmp_path):
    path = index_of(indexed)
    os.link(path, tmp_path / "second")
    before = (tmp_path / "second").read_bytes()
    assert indexed.where("org/base").locked
    assert (tmp_path / "second").read_bytes() == before


def test_a_link_in_place_of_the_folder_is_not_followed(indexed, tmp_path):
    path = index_of(indexed)
    path.parent.rename(tmp_path / "elsewhere")
    path.parent.symlink_to(tmp_path / "elsewhere")
    found = indexed.where("org/base")
    assert found.locked
    assert any("in memory" in note for note in found.notes)


@pytest.mark.parametrize("mode", [0o755, 0o777, 0o770])
def test_a_folder_that_others_can_read_or_write_is_not_used(indexed, mode):
    index_of(indexed).parent.chmod(mode)
    found = indexed.where("org/base")
    assert found.locked
    assert any("user alone" in note for note in found.notes)


def test_a_file_that_others_can_write_is_made_anew(indexed):
    index_of(indexed).chmod(0o666)
    found = indexed.where("org/base")
    assert found.locked
    assert stat.S_IMODE(index_of(indexed).stat().st_mode) == 0o600


def test_a_folder_in_place_of_the_index_is_left_alone(indexed):
    path = index_of(indexed)
    path.unlink()
    path.mkdir()
    (path / "precious").write_text("")
    found = indexed.where("org/base")
    assert found.locked
    assert any("in memory" in note for note in found.notes)
    assert (path / "precious").exists()


def test_on_a_disk_that_cannot_be_written_it_is_in_memory(indexed, monkeypatch):
    def refuse(*_arguments: object, **_words: object) -> None:
        raise OSError(30, "Read-only file system")

    index_of(indexed).write_bytes(b"broken")
    monkeypatch.setattr(os, "unlink", refuse)
    found = indexed.where("org/base")
    assert found.locked
    assert any("Read-only file system" in note for note in found.notes)


def test_a_planted_journal_is_not_played_back(indexed):
    journal = index_of(indexed).with_name(index_of(indexed).name + "-wal")
    journal.symlink_to("/etc/passwd")
    assert indexed.where("org/base").locked
    assert not journal.is_symlink()


def test_it_can_be_deleted_at_any_time(indexed):
    before = indexed.where("org/base")
    index_of(indexed).unlink()
    assert indexed.where("org/base") == before


def test_without_a_place_it_is_in_memory(indexed):
    environ = {key: value for key, value in indexed.environ.items() if key not in {"HOME", "WEIGHLOCK_STATE"}}
    indexed.environ = environ | {"WEIGHLOCK_LEDGER_KEY": indexed.ledger.key.path}
    assert indexed.where("org/base").locked


def _ask(environ: dict[str, str], folder: str, subject: str) -> int:
    os.chdir(folder)
    from tests.incidents.world import NOW
    from weighlock.gates.where import Question, answer

    return sum(one.count for one in answer(Question(subject=subject, environ=environ, now=NOW)).accesses)


def test_two_processes_at_once_take_turns(world):
    world.record(*(world.entry("w") for _ in range(3000)))
    context = multiprocessing.get_context("spawn")
    with context.Pool(2) as pool:
        asked = [(world.environ, str(world.project), digest("w"))] * 6
        assert pool.starmap(_ask, asked) == [3000] * 6
    with Index(str(index_of(world))) as index:
        assert next(iter(index.rows("SELECT sum(count) FROM access")))[0] == 3000


def test_whoever_is_killed_leaves_an_index_that_goes_on(world, monkeypatch):
    from weighlock.incidents import accesses

    monkeypatch.setattr(accesses, "_AT_ONCE", 100)
    world.record(*(world.entry("w") for _ in range(350)))
    child = os.fork()
    if child == 0:
        read, calls = accesses.read, []

        def dying(data: bytes):
            calls.append(data)
            if len(calls) == 250:
                os.kill(os.getpid(), 9)
            return read(data)

        accesses.read = dying
        world.where(digest("w"))
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 9
    with Index(str(index_of(world))) as index:
        assert index.get("entries") == 200
    assert [one.count for one in world.where(digest("w")).accesses] == [350]
