"""Passwords of the users of the issuer: hashed with scrypt, compared in constant time, and never too many at once.

Source:
    RFC 7914; OWASP Password Storage Cheat Sheet for the cost.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from weighlock.errors import PolicyError, WeighlockError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from weighlock.registry.oci.config import User

_LOG_N, _R, _P = 15, 8, 1
"""32 MB and about 80 ms on a core."""

_MOST_LOG_N, _MOST_R, _MOST_P = 17, 8, 4
_LONGEST = 1024
_AT_ONCE, _WAITING = 2, 6
_PATIENCE = 5.0
_KNOWN_FOR = 60.0
_MOST_KNOWN = 10_000
_MINUTE, _TRIES = 60.0, 10


class NotLoggedInError(WeighlockError):
    """The name or the password is wrong; which of them, nobody is told."""

    exit_code = 1


class BusyError(WeighlockError):
    """Too many passwords were tried, or are being compared."""


def hash_password(password: str, *, log_n: int = _LOG_N) -> str:
    """Return what stands in the configuration in place of a password."""
    salt = os.urandom(16)
    return f"scrypt:{log_n}:{_R}:{_P}:{_text(salt)}:{_text(_scrypt(password, salt, log_n, _R, _P))}"


def check_hash(hashed: str, where: str) -> str:
    """Return a hash that can be compared with, at a bounded cost.

    Raises:
        PolicyError: It is none.
    """
    try:
        _parts(hashed)
    except (ValueError, binascii.Error):
        hint = "make one with `weighlock registry hash-password`"
        raise PolicyError("is no hash of a password", where=f"{where}.password", hint=hint) from None
    return hashed


class Door:
    """Lets users in.

    Args:
        users: All of them.
        clock: Seconds that never go back.
    """

    def __init__(self, users: Iterable[User], clock: Callable[[], float] = time.monotonic) -> None:
        self._users = {user.name: user for user in users}
        self._clock = clock
        # Somebody who is nobody costs as much as somebody.
        self._nobody = max((user.password for user in self._users.values()), key=_cost, default="") or hash_password("")
        self._secret = os.urandom(32)
        self._slots = threading.BoundedSemaphore(_AT_ONCE)
        self._queue = threading.BoundedSemaphore(_AT_ONCE + _WAITING)
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, float] = OrderedDict()
        self._failures: OrderedDict[tuple[str, str], list[float]] = OrderedDict()

    def user(self, name: str) -> User | None:
        """Return a user by their name, whoever asks."""
        return self._users.get(name)

    def enter(self, name: str, password: str, address: str) -> User:
        """Return the user whose name and password these are.

        Args:
            name: As it was said.
            password: As it was said.
            address: From where, to count failures.

        Raises:
            NotLoggedInError: They are not.
            BusyError: Too many were tried from there in the last minute, or are being compared.
        """
        user = self._users.get(name)
        proof = hmac.digest(self._secret, f"{name}\0{password}".encode("utf-8", "surrogatepass"), "sha256")
        if user is not None and self._is_known(proof):
            return user
        self._require_calm((name[:100], address))
        right = self._compared(password, user.password if user is not None else self._nobody)
        if user is None or not right:
            self._failed((name[:100], address))
            raise NotLoggedInError("the name or the password is wrong")
        with self._lock:
            self._known[proof] = self._clock() + _KNOWN_FOR
            while len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
        return user

    def _compared(self, password: str, hashed: str) -> bool:
        """Say whether a password is the one of a hash, after few others: who waits keeps a thread from others."""
        busy = BusyError("too many passwords are being compared", hint="try again in a few seconds")
        if not self._queue.acquire(blocking=False):
            raise busy
        try:
            if not self._slots.acquire(timeout=_PATIENCE):
                raise busy
            try:
                return _is_right(password, hashed)
            finally:
                self._slots.release()
        finally:
            self._queue.release()

    def _is_known(self, proof: bytes) -> bool:
        with self._lock:
            return self._known.get(proof, 0.0) > self._clock()

    def _require_calm(self, who: tuple[str, str]) -> None:
        with self._lock:
            recent = [moment for moment in self._failures.get(who, ()) if moment > self._clock() - _MINUTE]
        if len(recent) >= _TRIES:
            raise BusyError("too many wrong passwords", hint="wait a minute")

    def _failed(self, who: tuple[str, str]) -> None:
        with self._lock:
            recent = [moment for moment in self._failures.pop(who, ()) if moment > self._clock() - _MINUTE]
            self._failures[who] = [*recent[-_TRIES:], self._clock()]
            while len(self._failures) > _MOST_KNOWN:
                self._failures.popitem(last=False)


def _is_right(password: str, hashed: str) -> bool:
    log_n, r, p, salt, expected = _parts(hashed)
    found = _scrypt(password[: _LONGEST + 1], salt, log_n, r, p)
    return hmac.compare_digest(found, expected) and len(password) <= _LONGEST


def _cost(hashed: str) -> int:
    log_n, r, p, *_ = _parts(hashed)
    return r * p << log_n


def _parts(hashed: str) -> tuple[int, int, int, bytes, bytes]:
    kind, log_n, r, p, salt, value = hashed.split(":")
    cost = int(log_n), int(r), int(p)
    salted, expected = base64.b64decode(salt, validate=True), base64.b64decode(value, validate=True)
    bounded = 10 <= cost[0] <= _MOST_LOG_N and 1 <= cost[1] <= _MOST_R and 1 <= cost[2] <= _MOST_P
    if kind != "scrypt" or not bounded or len(salted) < 16 or len(expected) != 32:
        raise ValueError(hashed)
    return *cost, salted, expected


def _scrypt(password: str, salt: bytes, log_n: int, r: int, p: int) -> bytes:
    data, n = password.encode("utf-8", "surrogatepass"), 1 << log_n
    return hashlib.scrypt(data, salt=salt, n=n, r=r, p=p, maxmem=256 * n * r, dklen=32)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
