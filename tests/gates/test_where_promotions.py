"""What the built-in store promoted is found by model and by digest, and whether it is still in force."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import pytest

from tests.gates.promotion_room import Room
from weighlock.gates.where import Question, answer


@pytest.fixture
def room(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEIGHLOCK_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("WEIGHLOCK_POLICY", str(tmp_path / "weighlock.toml"))
    return Room(tmp_path)


def where(room, subject: str):
    """Ask."""
    return answer(Question(subject=subject, environ=room.environ, now=datetime.now(UTC)))


def test_a_promoted_version_is_found_in_every_stage(room):
    done = room.through()
    found = where(room, "./m")
    assert {(one.stage, one.version, one.in_force) for one in found.promoted} == {
        ("staging", "1", True),
        ("production", "1", True),
    }
    assert done.promoted.digest in {one.statement for one in found.promoted}
    digest = next(iter(done.promoted.vsa.promotable.files.values()))
    assert [one.stage for one in where(room, digest).promoted] == [one.stage for one in found.promoted]
    moves = [one for one in found.accesses if one.kind == "promotion" and one.verdict == "ALLOW"]
    assert moves


def test_a_store_that_was_never_used_is_not_made(room):
    assert not where(room, "0" * 64).promoted
    assert not os.path.exists(room.folder / "state" / "promoted")
