"""The values of a lockfile, read one by one: each is what it has to be, or an error with the path of its key."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from weighlock.errors import LockfileError
from weighlock.toml import is_printable

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


def required(table: Mapping[str, Any], key: str, where: str) -> Any:
    """Return what stands under a key.

    Raises:
        LockfileError: There is nothing.
    """
    if key not in table:
        raise LockfileError("is missing", where=join(where, key))
    return table[key]


def text(table: Mapping[str, Any], key: str, where: str) -> str:
    """Return a string.

    Raises:
        LockfileError: It is something else.
    """
    value = required(table, key, where)
    if not isinstance(value, str):
        raise LockfileError(f"is {type_of(value)}, expected a string", where=join(where, key))
    return value


def name(table: Mapping[str, Any], key: str, where: str) -> str:
    """Return a string that can be shown and is not empty.

    Raises:
        LockfileError: It is something else.
    """
    value = text(table, key, where)
    if not value or not is_printable(value):
        raise LockfileError("is empty or holds control characters", where=join(where, key))
    return value


def names(table: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    """Return strings that can be shown, each once; nothing where the key is missing.

    Raises:
        LockfileError: It is something else.
    """
    values = table.get(key, [])
    if not isinstance(values, list):
        raise LockfileError(f"is {type_of(values)}, expected a list of strings", where=join(where, key))
    for index, value in enumerate(values):
        if not isinstance(value, str) or not value or not is_printable(value):
            raise LockfileError("is not a name that can be shown", where=f"{join(where, key)}[{index}]")
    if len(set(values)) != len(values):
        raise LockfileError("names something twice", where=join(where, key))
    return tuple(values)


def matching(table: Mapping[str, Any], key: str, pattern: re.Pattern[str], where: str) -> str | None:
    """Return a short name in the form of a pattern, or nothing where the key is missing.

    Raises:
        LockfileError: It is something else.
    """
    if key not in table:
        return None
    value = text(table, key, where)
    if not pattern.match(value):
        raise LockfileError("is not a short lower-case name", where=join(where, key))
    return value


def digest(value: object, where: str) -> str:
    """Return a value that is a SHA-256 digest.

    Raises:
        LockfileError: It is something else.
    """
    if not isinstance(value, str) or not _SHA256.match(value):
        raise LockfileError("is not a SHA-256 digest of 64 lower-case hexadecimal digits", where=where)
    return value


def count(table: Mapping[str, Any], key: str, where: str) -> int:
    """Return a whole number that is not negative.

    Raises:
        LockfileError: It is something else.
    """
    value = required(table, key, where)
    if not isinstance(value, int) or isinstance(value, bool):
        raise LockfileError(f"is {type_of(value)}, expected a whole number", where=join(where, key))
    if value < 0:
        raise LockfileError("is negative", where=join(where, key))
    return value


def flag(table: Mapping[str, Any], key: str, where: str) -> bool:
    """Return true or false, false where the key is missing.

    Raises:
        LockfileError: It is something else.
    """
    value = table.get(key, False)
    if not isinstance(value, bool):
        raise LockfileError(f"is {type_of(value)}, expected true or false", where=join(where, key))
    return value


def tables(value: object, where: str) -> list[dict[str, Any]]:
    """Return a value that is a list of tables.

    Raises:
        LockfileError: It is something else.
    """
    if not isinstance(value, list):
        raise LockfileError(f"is {type_of(value)}, expected tables", where=where)
    for index, table in enumerate(value):
        if not isinstance(table, dict):
            raise LockfileError(f"is {type_of(table)}, expected a table", where=f"{where}[{index}]")
    return value


def join(where: str, key: str) -> str:
    """Return the path of a key."""
    shown = key if is_printable(key) else ascii(key)
    return f"{where}.{shown}" if where else shown


def type_of(value: object) -> str:
    """Say what TOML calls a value."""
    names = {bool: "a boolean", int: "a number", float: "a float", str: "a string", list: "a list", dict: "a table"}
    return names.get(type(value), "a date or time")


def check_keys(table: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    """Refuse a key that is not known: a reader that skips what it does not know could admit too much.

    Raises:
        LockfileError: There is one.
    """
    for key in table:
        if key not in known:
            raise LockfileError("is not a key of a lockfile", where=join(where, key))
