"""Reading the values of a policy file: each is of its kind, or the error has the path of its key."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from weighlock.advisory import Severity
from weighlock.errors import PolicyError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

_Row = TypeVar("_Row")
_AGE = re.compile(r"([0-9]{1,6}) ?(d|days?|h|hours?)\Z")


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


def age(value: Any, where: str) -> timedelta:
    """Return a time span of whole days or hours.

    Raises:
        PolicyError: It is none.
    """
    match = _AGE.match(value) if isinstance(value, str) else None
    if not match:
        raise PolicyError(f'must be a time such as "3 days" or "12 hours", not {value!r}', where=where)
    number = int(match[1])
    return timedelta(hours=number) if match[2].startswith("h") else timedelta(days=number)


def age_text(span: timedelta) -> str:
    """Return what `age` reads."""
    hours = span // timedelta(hours=1)
    return f"{hours // 24} days" if hours % 24 == 0 else f"{hours} hours"


def severity(value: Any, where: str) -> Severity:
    """Return a severity that somebody can require.

    Raises:
        PolicyError: It is none.
    """
    choices = [str(one) for one in Severity if one is not Severity.UNKNOWN]
    if value not in choices:
        raise PolicyError(f"must be one of {', '.join(choices)}, not {value!r}", where=where)
    return Severity(value)


def count(value: Any, where: str) -> int:
    """Return a number of people.

    Raises:
        PolicyError: It is none from 1 to 100.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 100:
        raise PolicyError("must be a number from 1 to 100", where=where)
    return value
