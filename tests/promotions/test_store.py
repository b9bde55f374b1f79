"""The built-in store on SQLite and on PostgreSQL, with bytes in a folder and on shared storage."""

from __future__ import annotations

import errno
import hashlib
import io
import multiprocessing
import os
import sqlite3
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests import postgres
from weighlock.artifact import Digest
from weighlock.errors import DigestMismatchError, ForgedError, PolicyError, SourceError, UnsupportedError, UsageError
from weighlock.gates.project import Project
from weighlock.gates.promotion.registries import open_store
from weighlock.policy import Policy
from weighlock.promotion import Input, Promotable, Promoted, Resource, Vsa
from weighlock.promotions.blobs import FolderBlobs, SharedBlobs, verify
from weighlock.promotions.database import PostgresDatabase, SqliteDatabase
from weighlock.promotions.store import BuiltinStore, StoredFile

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
RESOURCE = Resource(registry="weighlock", model="net", stage="production")


@pytest.fixture(scope="module")
def server():
    with postgres.server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request, tmp_path):
    """A new, empty database."""
    if request.param == "sqlite":
        return str(tmp_path / "store" / "store.sqlite")
    return emptied(request.getfixturevalue("server"))


def emptied(url):
    import psycopg

    tables = "store versions files moves standings approvals".split()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"drop table if exists {', '.join(f'weighlock_{name}' for name in tables)}")
    return url


def database_at(address):
    return PostgresDatabase(address, "a database") if "://" in address else SqliteDatabase(address)


def swap(promoted, files, in_force):
    """Stand for the gate: what is in force has to be what is replaced."""
    assert dict(files) == dict(promoted.vsa.promotable.files)
    if in_force not in {promoted.digest, promoted.vsa.previous}:
        raise ForgedError("something else was promoted since")


def store_at(address, folder):
    return BuiltinStore(database_at(address), FolderBlobs(str(folder / "blobs")), swap)


@pytest.fixture
def store(address, tmp_path):
    return store_at(address, tmp_path)


def added(store, folder, data=b"weights", model="net"):
    place = Path(folder) / "file"
    place.write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    files = [StoredFile(path="a/model.bin", sha256=sha256, size=len(data))]
    return store.add(model, files, {"a/model.bin": place}), {"a/model.bin": sha256}


def summary(version, files, previous, mark="1", approvals=()):
    inputs = tuple(Input(kind="approval", name="bob", digest=Digest.sha256(one * 64)) for one in approvals)
    vsa = Vsa(
        promotable=Promotable(resource=RESOURCE, files=files),
        version=version,
        requirements="sha256:" + "0" * 64,
        policy="sha256:" + "0" * 64,
        previous=previous,
        made=NOW,
        inputs=inputs,
    )
    digest = "sha256:" + hashlib.sha256(mark.encode()).hexdigest()
    return Promoted(vsa=vsa, bundle=mark.encode(), digest=digest, verifier="ci", identity="key")


def test_a_version_is_its_files_and_has_one_number(store, tmp_path):
    assert added(store, tmp_path)[0] == "1"
    assert added(store, tmp_path)[0] == "1"
    version, files = added(store, tmp_path, b"others")
    assert version == "2"
    assert store.files("net", "2") == files
    assert added(store, tmp_path, model="other")[0] == "1"


def test_names_move_and_everything_that_was_in_force_is_remembered(store, tmp_path):
    version, files = added(store, tmp_path)
    assert store.in_force(RESOURCE) is None
    first = summary(version, files, None)
    store.move(first)
    store.move(first)
    second = summary(version, files, first.digest, "2")
    store.move(second)
    standing = store.in_force(RESOURCE)
    assert (standing.version, standing.digest, standing.bundle) == ("1", second.digest, b"2")
    assert [one.bundle for one in store.history(RESOURCE)] == [b"2", b"1"]
    assert [one.bundle for _, one in store.moved()] == [b"1", b"2"]


def test_a_replayed_summary(store, tmp_path):
    version, files = added(store, tmp_path)
    first, second = summary(version, files, None), summary(version, files, None, "2")
    store.move(first)
    with pytest.raises(ForgedError):
        store.move(second)
    third = summary(version, files, first.digest, "3")
    store.move(third)
    again = summary(version, files, third.digest, "1")
    with pytest.raises(ForgedError, match="used before"):
        store.move(again)
    assert store.in_force(RESOURCE).digest == third.digest


def test_a_replayed_approval(store, tmp_path):
    version, files = added(store, tmp_path)
    first = summary(version, files, None, approvals="a")
    store.move(first)
    assert store.used(["sha256:" + "a" * 64, "sha256:" + "b" * 64]) == {"sha256:" + "a" * 64}
    with pytest.raises(ForgedError, match="used before"):
        store.move(summary(version, files, first.digest, "2", approvals="ba"))
    assert store.in_force(RESOURCE).digest == first.digest
    assert not store.used(["sha256:" + "b" * 64])


def test_a_summary_for_another_registry(store, tmp_path):
    version, files = added(store, tmp_path)
    one = summary(version, files, None)
    resource = Resource(registry="oci", model="net", stage="production")
    object.__setattr__(one.vsa, "promotable", Promotable(resource=resource, files=files))
    with pytest.raises(ForgedError, match="not in this store"):
        store.move(one)


@pytest.mark.parametrize("version", ["2", "0", "-1", "1.0", "²", "1 or 1", ""])
def test_a_version_that_is_not_there(store, tmp_path, version):
    _, files = added(store, tmp_path)
    with pytest.raises(SourceError, match="no version"):
        store.move(summary(version, files, None))
    with pytest.raises(SourceError):
        store.files("net", version)


def test_names_are_values_and_never_sql(store, tmp_path):
    name = "net'; drop table weighlock_moves; -- %s ?"
    version, files = added(store, tmp_path, model=name)
    assert store.files(name, version) == files


def test_of_concurrent_promotions_one_wins(address, tmp_path):
    version, files = added(store_at(address, tmp_path), tmp_path)
    start, won, lost = threading.Barrier(8), [], []

    def move(mark):
        store = store_at(address, tmp_path)
        start.wait()
        try:
            store.move(summary(version, files, None, mark))
            won.append(mark)
        except ForgedError:
            lost.append(mark)

    threads = [threading.Thread(target=move, args=(str(mark),)) for mark in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 7)
    assert store_at(address, tmp_path).in_force(RESOURCE).bundle == won[0].encode()


def _mover(address, folder, version, files, *, mark, answers):
    store = store_at(address, Path(folder))
    for number in range(10):
        in_force = store.in_force(RESOURCE)
        one = summary(version, files, in_force.digest if in_force else None, f"{mark}-{number}")
        try:
            store.move(one)
            answers.put(one.digest)
        except ForgedError:
            answers.put(None)


def test_two_processes_on_one_database_make_one_chain(address, tmp_path):
    version, files = added(store_at(address, tmp_path), tmp_path)
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    words = (address, str(tmp_path), version, files)
    processes = [context.Process(target=_mover, args=words, kwargs={"mark": mark, "answers": answers}) for mark in "ab"]
    for process in processes:
        process.start()
    moved = [answer for answer in (answers.get(timeout=60) for _ in range(20)) if answer]
    for process in processes:
        process.join(30)
    history = store_at(address, tmp_path).history(RESOURCE)
    assert sorted(one.digest for one in history) == sorted(moved)
    assert moved


def test_tables_of_another_version_are_refused(address, tmp_path):
    database = database_at(address)
    with database.transaction() as rows:
        rows.run("update weighlock_store set value = ? where name = ?", "7", "schema")
    with pytest.raises(SourceError, match="version 7"):
        store_at(address, tmp_path).in_force(RESOURCE)


def test_a_file_that_is_no_database(tmp_path):
    (tmp_path / "store.sqlite").write_bytes(b"no database" * 100)
    with (
        pytest.raises(SourceError, match="cannot be used"),
        SqliteDatabase(str(tmp_path / "store.sqlite")).transaction(),
    ):
        pass


def test_a_store_that_may_not_be_written_says_so_and_what_to_do(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), "store.sqlite")

    database = SqliteDatabase(str(tmp_path / "store.sqlite"))
    (tmp_path / "store.sqlite").touch()
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(SourceError) as error, database.transaction(reads=True):
        pass
    assert error.value.message == "the store cannot be used: Read-only file system"
    assert "let this user write to its folder" in error.value.hint


def test_a_database_server_that_is_not_there_tells_no_password(tmp_path):
    url = f"postgresql://user:geheim@/x?host={tmp_path}"
    with pytest.raises(SourceError) as caught, PostgresDatabase(url, "postgresql:///x").transaction():
        pass
    assert "geheim" not in str(caught.value)


def test_a_reader_waits_for_nobody_to_crash(tmp_path):
    place = str(tmp_path / "store.sqlite")
    with SqliteDatabase(place).transaction():
        pass
    left = sqlite3.connect(place, isolation_level=None)
    left.execute("begin immediate")
    left.close()
    assert store_at(place, tmp_path).in_force(RESOURCE) is None


@pytest.fixture(params=["folder", "file", "memory"])
def blobs(request, tmp_path):
    if request.param == "folder":
        return FolderBlobs(str(tmp_path / "blobs"))
    pytest.importorskip("fsspec", reason="fsspec is not installed")
    place = tmp_path / "shared"
    return SharedBlobs(f"file://{place}" if request.param == "file" else f"memory://{place}")


def overwrite(blobs, sha256, data):
    if isinstance(blobs, FolderBlobs):
        blobs._path(sha256).write_bytes(data)
    else:
        with blobs._system.open(blobs._path(sha256), "wb") as file:
            file.write(data)


def test_bytes_come_back_as_they_were_put(blobs):
    data = b"x" * 3_000_000
    sha256 = hashlib.sha256(data).hexdigest()
    blobs.put(sha256, io.BytesIO(data))
    blobs.put(sha256, io.BytesIO(data))
    assert b"".join(blobs.read(sha256)) == data
    assert verify(blobs, sha256) == len(data)


def test_bytes_that_are_others_are_never_kept(blobs):
    with pytest.raises(DigestMismatchError):
        blobs.put("0" * 64, io.BytesIO(b"other"))
    with pytest.raises(SourceError):
        verify(blobs, "0" * 64)


def test_bytes_that_were_changed_are_found_and_mended_by_the_right_ones(blobs):
    sha256 = hashlib.sha256(b"right").hexdigest()
    blobs.put(sha256, io.BytesIO(b"right"))
    overwrite(blobs, sha256, b"wrong")
    with pytest.raises(DigestMismatchError):
        verify(blobs, sha256)
    blobs.put(sha256, io.BytesIO(b"right"))
    assert verify(blobs, sha256) == 5


def test_bytes_cannot_be_put_through_a_link_to_a_pipe(tmp_path):
    import os

    blobs, sha256 = FolderBlobs(str(tmp_path / "blobs")), hashlib.sha256(b"x").hexdigest()
    blobs.put(sha256, io.BytesIO(b"x"))
    blobs._path(sha256).unlink()
    os.mkfifo(blobs._path(sha256))
    with pytest.raises(SourceError, match="not a regular file"):
        verify(blobs, sha256)


def test_storage_of_an_unknown_kind():
    pytest.importorskip("fsspec", reason="fsspec is not installed")
    with pytest.raises(UnsupportedError, match="cannot be reached"):
        SharedBlobs("nowhere://bucket")


def opened(store, folder):
    policy = Policy.from_dict({"promotion": {"store": store}} if store else {})
    return open_store(
        Project(policy=policy, lock=folder / "models.lock", policy_path=str(folder / "weighlock.toml")), {}
    )


def test_the_policy_says_where_the_store_is(tmp_path):
    assert opened("models", tmp_path).place == str(tmp_path / "models" / "store.sqlite")
    shared = opened("postgresql://host/db?blobs=memory://x&sslmode=require", tmp_path)
    assert shared.place == "postgresql://host/db"
    assert shared.blobs.place == "memory://x"
    assert "blobs" not in shared._database._url
    assert opened("postgresql://host/db?blobs=shared", tmp_path).blobs.place == str(tmp_path / "shared")


@pytest.mark.parametrize("store", ["s3://bucket/x", "postgresql://host/db", "postgresql://host/db?blobs=", None])
def test_a_place_that_says_too_little(tmp_path, store):
    with pytest.raises(UsageError):
        opened(store, tmp_path)


@pytest.mark.parametrize(
    "store", ["postgresql://u:p@h/d?blobs=x", "postgresql://h/d?Password=p&blobs=x", "s3://a:b@c/d"]
)
def test_a_password_in_the_policy(store):
    with pytest.raises(PolicyError, match="password"):
        Policy.from_dict({"promotion": {"store": store}})


def test_whoever_may_only_move_names_finds_the_tables_made(server, tmp_path):
    import psycopg

    store_at(emptied(server), tmp_path).in_force(RESOURCE)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("create role mover login")
        connection.execute("grant select, insert, update on all tables in schema public to mover")
    other = server.replace("weighlock@", "mover@")
    version, files = added(store_at(other, tmp_path), tmp_path, model="of-mover")
    assert store_at(other, tmp_path).files("of-mover", version) == files
