"""JSON that decides about trust: one reading only.

Readers of JSON differ in which of two equal keys they take, in what follows the value, and in NaN. A document that one
of them would read in another way is refused.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any, NoReturn

from weighlock.errors import ForgedError
from weighlock.signing.library import first_line

if TYPE_CHECKING:
    from collections.abc import Iterable


def parse(data: bytes, *, most: int, parts: int, what: str) -> dict[str, Any]:
    """Parse one JSON object.

    Args:
        data: All its bytes.
        most: Bytes that it may have.
        parts: Objects, arrays and members that it may have, each of which takes fifty times its bytes in memory.
        what: It is, for messages.

    Raises:
        ForgedError: It is too large, no object, or open to more than one reading.

    Source:
        RFC 8259, section 4; RFC 7493 (I-JSON).
    """
    if len(data) > most:
        raise ForgedError(f"{what} is larger than {most} bytes")
    if sum(map(data.count, (b",", b"[", b"{"))) > parts:
        raise ForgedError(f"{what} has more than {parts} parts")
    try:
        text = data.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
        if "\\u" in text:  # half of a surrogate pair is no text, and other readers replace it
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except RecursionError:
        raise ForgedError(f"{what} is nested too deeply") from None
    except ValueError as error:
        raise ForgedError(f"{what} is not strict JSON: {first_line(error)}") from error
    if not isinstance(value, dict):
        raise ForgedError(f"{what} is not a JSON object")
    return value


def fields(value: Any, where: str, *, required: Iterable[str] = (), optional: Iterable[str] = ()) -> dict[str, Any]:
    """Return an object that has certain members and no others.

    Raises:
        ForgedError: A member is missing or unknown, or it is no object.
    """
    if not isinstance(value, dict):
        raise ForgedError("is not an object", where=where)
    required = set(required)
    missing = sorted(required - value.keys())
    unknown = sorted(value.keys() - required - set(optional))
    if missing:
        raise ForgedError(f"has no {missing[0]}", where=where)
    if unknown:
        raise ForgedError(f"has an unknown member {unknown[0][:50]!r}", where=where)
    return value


def text(value: Any, where: str) -> str:
    """Return a string.

    Raises:
        ForgedError: It is something else.
    """
    if not isinstance(value, str):
        raise ForgedError("is not a string", where=where)
    return value


def items(value: Any, where: str) -> list[Any]:
    """Return an array.

    Raises:
        ForgedError: It is something else.
    """
    if not isinstance(value, list):
        raise ForgedError("is not an array", where=where)
    return value


def decoded(value: Any, where: str) -> bytes:
    """Return the bytes behind standard base64 in its one spelling: padded, no other alphabet, no loose bits.

    Raises:
        ForgedError: It is spelled otherwise, or empty.

    Source:
        RFC 4648, sections 3.5 and 4.
    """
    spelled = text(value, where)
    try:
        data = base64.b64decode(spelled.encode("ascii"), validate=True)
    except (ValueError, binascii.Error):
        raise ForgedError("is not standard base64", where=where) from None
    if not data or base64.b64encode(data).decode() != spelled:
        raise ForgedError("is empty" if not data else "is not canonical base64", where=where)
    return data


def encoded(data: bytes) -> str:
    """Return bytes as standard base64."""
    return base64.b64encode(data).decode()


def canonical(value: Any) -> bytes:
    """Return the canonical JSON of what has no fractions, and only ASCII in its keys.

    Raises:
        ValueError: A text in it is no Unicode, or a number no number of JSON.

    Source:
        RFC 8785; for such values it is what Python's encoder writes.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key stands in an object twice")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")
