"""Logins: nobody learns who exists, and nobody makes the server hash for ever."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from weighlock.registry.oci import passwords
from weighlock.registry.oci.config import User
from weighlock.registry.oci.passwords import BusyError, Door, NotLoggedInError, hash_password

DEV = User(name="dev", password=hash_password("secret", log_n=10), roles=frozenset())


@pytest.fixture
def counted(monkeypatch):
    calls = []
    scrypt = passwords._scrypt
    monkeypatch.setattr(passwords, "_scrypt", lambda *words: calls.append(words) or scrypt(*words))
    return calls


def test_a_stranger_costs_as_much_and_is_told_as_much_as_a_wrong_password(counted):
    door = Door([DEV])
    said = set()
    for name in ("dev", "nobody", "", "dev\x00", "DEV"):
        with pytest.raises(NotLoggedInError) as caught:
            door.enter(name, "wrong", "here")
        said.add(str(caught.value))
    assert len(said) == 1
    assert [words[2:] for words in counted] == [(10, 8, 1)] * 5


def test_a_right_password_is_hashed_once_a_minute(counted):
    now = [0.0]
    door = Door([DEV], clock=lambda: now[0])
    for moment in (0.0, 30.0, 59.0):
        now[0] = moment
        assert door.enter("dev", "secret", "here") == DEV
    assert len(counted) == 1
    now[0] = 61.0
    door.enter("dev", "secret", "here")
    assert len(counted) == 2


def test_guessing_ends_after_ten_tries_from_one_place_and_locks_out_nobody_else(counted):
    now = [0.0]
    door = Door([DEV], clock=lambda: now[0])
    for _ in range(10):
        with pytest.raises(NotLoggedInError):
            door.enter("dev", "wrong", "there")
    with pytest.raises(BusyError):
        door.enter("dev", "secret", "there")
    assert len(counted) == 10
    assert door.enter("dev", "secret", "here") == DEV
    now[0] = 61.0
    assert door.enter("dev", "secret", "there") == DEV


def test_a_password_of_a_megabyte_is_wrong_and_cheap(counted):
    with pytest.raises(NotLoggedInError):
        Door([DEV]).enter("dev", "a" * (1 << 20), "here")
    assert len(counted[0][0]) <= 1025


def test_two_hashes_of_one_password_differ():
    assert hash_password("secret", log_n=10) != hash_password("secret", log_n=10)


def test_a_flood_of_guesses_under_many_names_holds_up_a_few_threads_and_not_who_is_known(monkeypatch):
    door, gate = Door([DEV]), threading.Event()
    door.enter("dev", "secret", "here")
    scrypt = passwords._scrypt
    monkeypatch.setattr(passwords, "_scrypt", lambda *words: gate.wait(10) and scrypt(*words))
    with ThreadPoolExecutor(20) as pool:
        running = [pool.submit(door.enter, f"name{number}", "guess", "there") for number in range(20)]
        while sum(one.done() for one in running) < 12:
            time.sleep(0.01)
        assert door.enter("dev", "secret", "here") == DEV
        gate.set()
    said = [type(one.exception()) for one in running]
    assert (said.count(BusyError), said.count(NotLoggedInError)) == (12, 8)
