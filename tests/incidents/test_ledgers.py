"""A ledger that was put back, exchanged or edited is not taken for what it was, and what is missing is told."""

from __future__ import annotations

import shutil

import pytest

from tests.incidents.world import NOW, digest, locked
from weighlock.errors import LedgerError
from weighlock.gates import where_ledger
from weighlock.gates.ledger import open_ledger
from weighlock.gates.where import Question, answer
from weighlock.ledger.absorb import Absorbed
from weighlock.ledger.store import FileLedger


def whys(found) -> str:
    """Return why something could not be looked at."""
    return "\n".join(f"{gap.place}: {gap.why}" for gap in found.gaps)


def test_a_ledger_that_was_put_back_is_told_and_never_nowhere(world):
    world.record(world.entry("first"))
    shutil.copytree(world.folder / "ledger", world.folder / "old")
    world.record(world.entry("bad"))
    assert world.where(digest("bad")).found
    shutil.rmtree(world.folder / "ledger")
    shutil.copytree(world.folder / "old", world.folder / "ledger")
    found = world.where(digest("bad"))
    assert not found.found
    assert "rollback: it has 1 entries, and its key signed that it had 2" in whys(found)
    assert "had 2 entries when it was read last, and has 1 now" in whys(found)
    again = world.where(digest("bad"))  # it is not told once only
    assert "had 2 entries when it was read last" in whys(again)
    shutil.rmtree(world.folder / "state" / "where")
    assert "rollback" in whys(world.where(digest("bad")))  # nor does it help to remove the index


def test_another_ledger_in_its_place_is_told_until_somebody_rebuilds(world):
    world.record(world.entry("bad"), world.entry("x"))
    assert world.where(digest("bad")).found
    shutil.rmtree(world.folder / "ledger")
    shutil.rmtree(world.folder / "state" / "ledger-keys")
    world.record(world.entry("y"), world.entry("z"), world.entry("z"))
    found = world.where(digest("bad"))
    assert not found.found
    assert "another one than when it was read last" in whys(found)
    assert "another one" in whys(world.where(digest("bad")))
    assert not world.where(digest("bad"), rebuild=True).gaps
    assert not world.where(digest("bad")).gaps


def test_an_entry_that_was_exchanged_before_the_last_one_is_found_by_the_tree(world):
    world.record(*(world.entry(f"f{n}") for n in range(5)))
    assert world.where(digest("f1")).found
    shutil.rmtree(world.folder / "ledger")
    shutil.rmtree(world.folder / "state" / "ledger-keys")
    last = open_ledger(world.environ)
    world._count = 0
    entries = [world.entry(f"f{n}") for n in range(5)]
    entries[1] = world.entry("harmless")
    last.append([one.to_bytes() for one in entries])
    last.checkpoint()
    found = world.where(digest("f1"))
    assert "another one" in whys(found)


def test_an_edited_bundle_is_told(world):
    world.record(*(world.entry("bad") for _ in range(3)))
    (bundle,) = [path for path in (world.folder / "ledger" / "tile" / "entries").rglob("*") if path.is_file()]
    data = bundle.read_bytes()
    bundle.chmod(0o600)
    bundle.write_bytes(data.replace(digest("bad").encode(), digest("good").encode()))
    found = world.where(digest("bad"))
    assert not found.found
    assert "edited: its entries are not those that its checkpoint signs" in whys(found)


def test_a_forged_checkpoint_is_told(world):
    world.record(world.entry("bad"))
    path = world.folder / "ledger" / "checkpoint"
    lines = path.read_text().splitlines(keepends=True)
    path.chmod(0o600)
    path.write_text("".join([lines[0], "0\n", *lines[2:]]))
    assert whys(world.where(digest("bad")))


def test_a_bundle_that_was_removed_is_told_and_nothing_is_nowhere(world):
    world.record(world.entry("bad"))
    shutil.rmtree(world.folder / "ledger" / "tile" / "entries")
    found = world.where(digest("bad"))
    assert not found.found
    assert "deleted" in whys(found)


def test_bytes_that_are_no_entries_are_counted_and_make_a_gap(world):
    ledger = world.ledger
    ledger.append([b"garbage", b'{"version":2,"digest":"sha256:' + digest("bad").encode() + b'"}'])
    ledger.checkpoint()
    found = world.where(digest("bad"))
    assert "2 of its entries are none that this weighlock knows" in whys(found)
    assert "entry 1 mentions it" in whys(found)
    assert not any("made anew" in note for note in found.notes)  # which would not help, and cost each question


def test_entries_that_are_not_sealed_count_as_well(world):
    world.record(world.entry("w"), sealed=False)
    assert world.where(digest("w")).accesses
    world.record(world.entry("w"), world.entry("v"))
    (access,) = world.where(digest("w")).accesses
    assert (access.count, access.entries) == (2, ((0, 1),))


def test_each_new_entry_is_counted_once(world):
    for turn in range(1, 6):
        world.record(world.entry("w"), world.entry(f"v{turn}"))
        (access,) = world.where(digest("w")).accesses
        assert access.count == turn


def test_a_spool_that_cannot_be_read_is_a_gap(world, monkeypatch):
    monkeypatch.setattr(where_ledger, "absorb_spools", lambda _ledger, _now: Absorbed(unreadable=2, broken=1))
    found = world.where(digest("bad"))
    assert "2 spools of others cannot be read" in whys(found)
    assert any("1 lines of spools were no entries" in note for note in found.notes)


def test_a_ledger_that_cannot_be_written_is_read_nevertheless(world, monkeypatch):
    world.record(world.entry("w"))

    def refuse(_ledger, _now):
        raise LedgerError("cannot be written: read-only file system")

    monkeypatch.setattr(where_ledger, "absorb_spools", refuse)
    found = world.where(digest("w"))
    assert found.accesses
    assert "cannot be moved into it" in whys(found)
    assert not world.where(digest("w"), absorbs=False).gaps


def test_the_ledger_of_another_place_has_another_index(world):
    world.record(world.entry("w"))
    assert world.where(digest("w")).found
    second = str(world.folder / "second")
    question = Question(subject=digest("w"), environ=world.environ, now=NOW, ledger=second)
    with pytest.raises(LedgerError, match="there is no ledger"):
        answer(question)
    with_entry = world.entry("other")
    open_ledger(world.environ, second).append([with_entry.to_bytes()])
    assert not answer(question).found


def test_without_a_place_for_the_ledger_nothing_is_answered(world):
    world.environ = {"WEIGHLOCK_ROOT": str(world.project)}
    with pytest.raises(LedgerError, match="nothing says where the ledger is"):
        world.where(digest("w"))


def test_names_in_the_ledger_add_no_digest(world):
    """Otherwise whoever loads a harmless file under a bad name would have it quarantined."""
    world.lock(locked("org/bad", "bad:w"))
    world.record(world.entry("harmless", subject="org/bad:w"), world.entry("harmless", subject="org/bad"))
    found = world.where("org/bad")
    assert found.digests == (f"sha256:{digest('bad:w')}",)
    assert sum(one.count for one in found.accesses) == 2


@pytest.mark.parametrize(
    "subject", ["numpy==1.0", "/srv/gone/models.lock", "org/base", "org/base:w", "mlflow:org/base#prod"]
)
def test_whatever_an_entry_is_about_is_found_by_its_name_without_a_doubt(world, subject):
    """Otherwise a strange label would let every question make the index anew."""
    world.record(*(world.entry("w", subject=subject, kind=kind) for kind in ("model", "document", "promotion")))
    name = {"numpy==1.0": "numpy", "org/base:w": "org/base", "mlflow:org/base#prod": "org/base"}.get(subject, subject)
    found = world.where(name)
    assert sum(one.count for one in found.accesses) == 3
    assert not found.notes


def test_a_ledger_that_is_sealed_while_it_is_read_is_no_edited_one(world, monkeypatch):
    world.record(world.entry("w"))
    published = FileLedger.published

    def sealing(self):
        note = published(self)
        if not sealing.done:
            sealing.done = True
            world.record(world.entry("w"))  # somebody else, right after the checkpoint was read
        return note

    sealing.done = False
    monkeypatch.setattr(FileLedger, "published", sealing)

    found = world.where(digest("w"))
    assert not found.gaps
    assert sum(one.count for one in found.accesses) == 2
    assert not world.where(digest("w")).gaps
