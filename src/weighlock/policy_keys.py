"""Reading the values of a policy file: each is of its kind, or the error has the path of its key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from weighlock.errors import PolicyError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

_Row = TypeVar("_Row")


def require_keys(data: Any, known: Collection[str], where: str) -> None:
    """Refuse what is no table, and a key that is not known.

    Raises:
        PolicyError: It is one of these.
    """
    if not isinstance(data, dict):
        raise PolicyError("must be a table", where=where)
    for key in data:
        if key not in known:
            raise PolicyError(f"unknown key {key!r}", where=where, hint=f"known keys: {', '.join(known)}")


def choice(value: Any, allowed: Sequence[str], where: str) -> str:
    """Return one of some words.

    Raises:
        PolicyError: It is none of them.
    """
    if value not in allowed or not isinstance(value, str):
        raise PolicyError(f"must be one of {', '.join(allowed)}, not {value!r}", where=where)
    return value


def boolean(value: Any, where: str) -> bool:
    """Return true or false.

    Raises:
        PolicyError: It is neither.
    """
    if not isinstance(value, bool):
        raise PolicyError("must be true or false", where=where)
    return value


def text(value: Any, where: str) -> str:
    """Return a string that says something.

    Raises:
        PolicyError: It is none.
    """
    if not isinstance(value, str) or not value.strip():
        raise PolicyError("must be a string that says something", where=where)
    return value


def texts(value: Any, where: str) -> tuple[str, ...]:
    """Return strings that say something.

    Raises:
        PolicyError: It is no list of them.
    """
    if not isinstance(value, list):
        raise PolicyError("must be a list of strings", where=where)
    return tuple(text(item, f"{where}[{index}]") for index, item in enumerate(value))


def rows(value: Any, make: Callable[[dict[str, Any], str], _Row], where: str) -> tuple[_Row, ...]:
    """Return what a list of tables says.

    Args:
        value: The list.
        make: Makes a value from a table and the path of its key.
        where: The path of the list's key.

    Raises:
        PolicyError: It is no list of tables, or one of them is broken.
    """
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise PolicyError("must be a list of tables", where=where)
    return tuple(make(row, f"{where}[{index}]") for index, row in enumerate(value))
