"""Whatever kills a promotion or a rollback, the old or the new is in force, and the lockfile and the ledger agree."""

from __future__ import annotations

import pytest

from tests.gates.promotion_kills import kill_promotions, kill_rollbacks
from tests.gates.promotion_room import Room


@pytest.fixture
def room(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, value in (("WEIGHLOCK_STATE", tmp_path / "state"), ("WEIGHLOCK_POLICY", tmp_path / "weighlock.toml")):
        monkeypatch.setenv(name, str(value))
    return Room(tmp_path)


def test_promotions_that_are_killed(room):
    found = kill_promotions(room, 20)
    assert not found.problems
    assert found.old


def test_rollbacks_that_are_killed(room):
    room.through()
    room.change()
    room.through()
    found = kill_rollbacks(room, 20)
    assert not found.problems
    assert found.old
