"""The ledger in PostgreSQL: many hosts add to one log, and whoever changes its rows is found, on a real server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests import postgres
from weighlock._cli import main
from weighlock.errors import LedgerError, TamperedError
from weighlock.ledger import postgres as postgres_ledger
from weighlock.ledger import verifier
from weighlock.ledger.keys import LedgerKey
from weighlock.ledger.postgres import PostgresLedger

PLACE = "postgresql:///postgres"


@pytest.fixture(scope="module")
def server():
    with postgres.server() as url:
        yield url


@pytest.fixture
def url(server):
    """A server whose tables are gone."""
    with psycopg.connect(server) as database:
        database.execute("drop table if exists weighlock_entries, weighlock_tiles, weighlock_checkpoints")
    return server


@pytest.fixture
def ledger(url, tmp_path):
    return host(url, tmp_path)


def host(url, folder, name="key") -> PostgresLedger:
    return PostgresLedger(url, PLACE, LedgerKey(str(folder / name)), spool=str(folder / "spool"))


def sql(url, *statements):
    with psycopg.connect(url) as database:
        for statement in statements:
            database.execute(statement)


def entries(count, start=0):
    return [f"entry {number}".encode() for number in range(start, start + count)]


def test_what_is_appended_is_read_sealed_proved_and_verified(ledger):
    assert (ledger.size(), ledger.sealed(), ledger.published()) == (0, 0, None)
    assert ledger.append(entries(300)) == range(300)
    note = ledger.checkpoint()
    assert ledger.append(entries(400, 300)) == range(300, 700)
    newer = ledger.checkpoint()
    assert list(ledger.read(0, 700)) == entries(700)
    key = ledger.key.read().public
    old, now = verifier.verify_checkpoint(note, key), verifier.verify_checkpoint(newer, key)
    assert (old.size, now.size, ledger.sealed(), ledger.size()) == (300, 700, 700, 700)
    for index in (0, 255, 256, 511, 699):
        leaf = verifier.leaf_hash(f"entry {index}".encode())
        verifier.verify_inclusion(leaf, index, 700, ledger.inclusion(index, 700), now.root)
    verifier.verify_consistency(300, 700, ledger.consistency(300, 700), old.root, now.root)
    assert ledger.verify(key, note).root == now.root == ledger.root(700)
    assert ledger.root(300) == old.root
    assert ledger.checkpoint() == newer


@pytest.mark.parametrize("sizes", [(1, 1, 1), (255, 1, 1), (256, 256), (0, 5), (1000, 65_000)])
def test_tiles_grow_as_the_tree_does(ledger, sizes):
    for size in sizes:
        ledger.append(entries(size, ledger.size()))
        ledger.checkpoint()
    leaves = [verifier.leaf_hash(entry) for entry in entries(sum(sizes))]
    assert ledger.root(sum(sizes)) == verifier.root_of(leaves)


@pytest.mark.parametrize(
    ("attack", "kind"),
    [
        ("update weighlock_entries set entry = 'other' where index = 3", "edited"),
        ("delete from weighlock_entries where index = 3", "deleted"),
        ("delete from weighlock_entries where index = 9", "deleted"),
        (
            "update weighlock_entries set entry = (array['entry 4', 'entry 3'])[index - 2]::bytea where index in (3,4)",
            "edited",
        ),
        ("update weighlock_tiles set hashes = overlay(hashes placing 'x'::bytea from 40) where level = 0", "edited"),
        ("delete from weighlock_tiles", "edited"),
        ("update weighlock_checkpoints set note = 'nothing'", "forged"),
    ],
)
def test_a_row_that_was_changed_is_found(ledger, url, attack, kind):
    ledger.append(entries(10))
    ledger.checkpoint()
    sql(url, attack)
    with pytest.raises(TamperedError, match=kind):
        ledger.verify(ledger.key.read().public, None)


def test_an_entry_that_was_put_behind_the_sealed_ones_is_only_new(ledger, url):
    ledger.append(entries(10))
    note = ledger.checkpoint()
    sql(url, "insert into weighlock_entries values (10, 'foreign')")
    assert ledger.verify(ledger.key.read().public, note).size == 10
    sql(url, "insert into weighlock_entries values (12, 'a gap')")
    with pytest.raises(TamperedError, match="deleted: there is no entry 11"):
        ledger.checkpoint()


def test_a_dump_that_was_restored_is_a_rollback_and_a_fork(ledger, url):
    ledger.append(entries(10))
    ledger.checkpoint()
    ledger.append(entries(5, 10))
    newer = ledger.checkpoint()
    sql(
        url,
        "delete from weighlock_entries where index >= 10",
        "delete from weighlock_checkpoints where size > 10",
        "update weighlock_tiles set hashes = substr(hashes, 1, 320)",
    )
    with pytest.raises(TamperedError, match="rollback"):
        ledger.checkpoint()
    with pytest.raises(TamperedError, match="rollback"):
        ledger.verify(ledger.key.read().public, newer)
    ledger.append([b"another history"] * 6)
    with pytest.raises(TamperedError, match="fork"):
        ledger.checkpoint()


def test_a_history_of_another_key_is_found_by_the_key_that_sealed_before(ledger, url, tmp_path):
    ledger.append(entries(3))
    note = ledger.checkpoint()
    sql(url, "drop table weighlock_entries, weighlock_tiles, weighlock_checkpoints")
    other = host(url, tmp_path, "other")
    other.append(entries(3))
    other.checkpoint()
    with pytest.raises(TamperedError, match="swapped key"):
        ledger.checkpoint()
    with pytest.raises(TamperedError, match="swapped key"):
        ledger.verify(ledger.key.read().public, note)


def test_a_host_without_the_key_adds_and_leaves_the_sealing_to_the_one_that_has_it(ledger, url, tmp_path):
    ledger.append(entries(3))
    ledger.checkpoint()
    other = host(url, tmp_path, "other")
    assert (ledger.seals(), other.seals()) == (True, False)
    assert other.append(entries(2, 3)) == range(3, 5)
    with pytest.raises(LedgerError, match="has not the key"):
        other.checkpoint()
    ledger.checkpoint()
    assert list(ledger.read(0, 5)) == entries(5)
    assert not other.key.exists()


def test_a_role_that_may_only_add_cannot_change_what_is_there(ledger, url, tmp_path):
    ledger.append(entries(3))
    ledger.checkpoint()
    sql(
        url,
        "drop role if exists adder",
        "create role adder login",
        "grant select, insert on weighlock_entries to adder",
        "grant select on weighlock_tiles, weighlock_checkpoints to adder",
    )
    adder = host(url.replace("weighlock@", "adder@"), tmp_path, "other")
    assert adder.append(entries(1, 3)) == range(3, 4)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        sql(adder._url, "update weighlock_entries set entry = 'x'")
    sql(url, "drop owned by adder", "drop role adder")


def test_many_processes_add_at_once_and_no_index_is_left_out_or_there_twice(url, tmp_path):
    def write(number):
        for part in range(15):
            host(url, tmp_path).append([f"{number} {part} {one}".encode() for one in range(4)])

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(4)))
    ledger = host(url, tmp_path)
    ledger.checkpoint()
    assert ledger.size() == 240
    assert len(set(ledger.read(0, 240))) == 240
    ledger.verify(ledger.key.read().public, None)


def test_a_writer_that_is_killed_loses_nothing_that_was_acknowledged(url, tmp_path):
    program = f"""
        from tests.ledger.test_postgres import host
        from pathlib import Path
        ledger, number = host({url!r}, Path({str(tmp_path)!r})), 0
        while True:
            ledger.append([b"%d" % number, b"%d" % (number + 1)])
            number += 2
            print(number, flush=True)
    """
    acknowledged = 0
    for pause in (0.02, 0.11, 0.05):
        sql(url, "drop table if exists weighlock_entries, weighlock_tiles, weighlock_checkpoints")
        child = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True)
        child.stdout.readline()
        time.sleep(pause)
        child.send_signal(signal.SIGKILL)
        lines = child.communicate()[0].split()
        acknowledged = int(lines[-1]) if lines else 2
        ledger = host(url, tmp_path, f"key{pause}")
        assert ledger.size() >= acknowledged
        assert ledger.size() % 2 == 0  # all of one call, or nothing
        assert list(ledger.read(0, ledger.size())) == [b"%d" % number for number in range(ledger.size())]
    assert acknowledged


def test_whoever_was_cut_off_while_it_committed_finds_what_became_of_it(ledger, url):
    """The server may finish a commit after its client is gone, and what is there is counted only then."""
    ledger.append(entries(2))
    slow = psycopg.connect(url)
    slow.execute("select pg_advisory_xact_lock(%s)", (postgres_ledger._APPENDING,))
    slow.execute("insert into weighlock_entries values (2, 'under way')")
    with ThreadPoolExecutor(1) as threads:
        counted = threads.submit(ledger.size)
        time.sleep(0.2)
        assert not counted.done()
        slow.commit()
        assert counted.result(20) == 3
    slow.close()


def test_a_server_that_reads_old_snapshots_by_default_gives_no_index_twice(url, tmp_path):
    with psycopg.connect(url, autocommit=True) as database:
        database.execute("alter role weighlock set default_transaction_isolation = 'repeatable read'")
    try:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda _: host(url, tmp_path).append(entries(1)), range(16)))
        assert host(url, tmp_path).size() == 16
    finally:
        with psycopg.connect(url, autocommit=True) as database:
            database.execute("alter role weighlock reset default_transaction_isolation")


def test_what_is_exported_verifies_without_weighlock_and_without_the_database(ledger, tmp_path):
    ledger.append(entries(600))
    note = ledger.checkpoint()
    (tmp_path / "kept").write_bytes(note)
    assert ledger.export(str(tmp_path / "files")) == 600
    vkey = ledger.key.read().vkey
    words = [sys.executable, "-I", verifier.__file__, "ledger", str(tmp_path / "files"), "--key", vkey]
    done = subprocess.run([*words, "--since", str(tmp_path / "kept")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me:secret@127.0.0.1:1/none?sslmode=disable",
        "postgresql://me:sec%zzret@127.0.0.1:1/none",
        "postgresql://me:secret@127.0.0.1:port/none",
        "postgresql://me:secret@127.0.0.1:1/none?nothing=secret",
    ],
)
def test_a_server_that_is_not_there_is_an_error_without_the_password(tmp_path, address):
    with pytest.raises(LedgerError) as caught:
        host(address, tmp_path).append(entries(1))
    assert "sec" not in f"{caught.value.message} {caught.value.hint}".replace("seconds", "")


def test_an_entry_that_is_too_large_is_refused_and_nothing_is_added(ledger):
    with pytest.raises(LedgerError):
        ledger.append([b"fine", b"x" * 65_536])
    assert ledger.size() == 0


def test_commands_record_seal_search_prove_and_verify_in_a_database(url, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEIGHLOCK_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("WEIGHLOCK_LEDGER", url)
    (tmp_path / "evil.pkl").write_bytes(b"cposix\nsystem\n(S'true'\ntR.")
    assert main(["scan", "evil.pkl"]) == 1
    assert "not sealed" not in capsys.readouterr().err
    assert main(["ledger", "checkpoint", "--output", "kept"]) == 0
    assert main(["scan", "evil.pkl"]) == 1
    capsys.readouterr()
    assert main(["ledger", "show", "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["entries"], shown["unsealed"], shown["waiting_bytes"]) == (2, 0, 0)
    assert "weighlock@" not in shown["place"]
    assert main(["ledger", "search", "--verdict", "DENY"]) == 0
    assert capsys.readouterr().out.count("evil.pkl") == 2
    assert main(["ledger", "verify", "--since", "kept"]) == 0
    assert main(["ledger", "prove", "0", "--output", "proof.json"]) == 0
    assert main(["ledger", "export", "files"]) == 0
    assert main(["ledger", "export", "files"]) == 2
    key = host(url, tmp_path).key
    assert not os.path.exists(key.path)  # the key of a database lies in the state of the user
    sql(url, "update weighlock_entries set entry = 'x' where index = 0")
    assert main(["ledger", "verify"]) == 1
    assert not (tmp_path / "state" / "ledger").exists()
