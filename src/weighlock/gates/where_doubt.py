"""Doubt about "nowhere": the sources themselves are searched for what the index does not have, byte by byte.

Whoever could write the index could take something out of it. They cannot make it unsaid in the ledger or in a lockfile,
so before nothing is reported, those are looked through for the very digits or the very name. It finds no spelling that
the index would not find; it finds that the index is not what it was made from.
"""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING

from weighlock.errors import LedgerError
from weighlock.files import read_regular
from weighlock.gates.where_documents import BILL, LOCKFILE
from weighlock.incidents.reach import BASE_MODEL, DIGEST, MODEL, PACKAGE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from weighlock.incidents.reach import Meaning
    from weighlock.incidents.sources import Source
    from weighlock.ledger.interface import Ledger

_AT_ONCE = 1000
"""Entries that are searched together."""


def documents_with(meanings: Iterable[Meaning], sources: Iterable[Source]) -> list[Source]:
    """Return the lockfiles and bills that mention a subject."""
    parts = _once(part for one in meanings for part in _in_documents(one))
    there = (one for one in sources if one.kind in {LOCKFILE, BILL} and not one.problem)
    return [one for one in there if parts and _mentions(one, parts)]


def entry_with(meanings: Iterable[Meaning], ledger: Ledger) -> tuple[int, bytes] | None:
    """Return the first entry of a ledger that mentions a subject, and its number."""
    parts = _once(part for one in meanings for part in _in_entries(one))
    if not parts:
        return None
    try:
        entries, number = ledger.read(0, ledger.size()), 0
        while some := list(islice(entries, _AT_ONCE)):
            whole = b"\n".join(some)  # no part has a line break, so that none is found across two entries
            if any(part in whole for part in parts):
                place, entry = next(pair for pair in enumerate(some) if any(part in pair[1] for part in parts))
                return number + place, entry
            number += len(some)
    except LedgerError:
        pass  # that it cannot be read is a gap already
    return None


def _in_documents(one: Meaning) -> list[bytes]:
    if one.kind == DIGEST:
        digits = one.name.removeprefix("sha256:").encode()
        return [b'"' + digits, b"sha256:" + digits]
    return [b'"' + _written(one.name) + b'"'] if one.kind in {MODEL, BASE_MODEL, PACKAGE} else []


def _in_entries(one: Meaning) -> list[bytes]:
    if one.kind == DIGEST:
        return [one.name.encode()]
    name = b'"subject":"' + _written(one.name)
    endings = {MODEL: (b'"', b":", b"/", b"@"), PACKAGE: (b"==", b'"')}.get(one.kind, ())
    return [name + ending for ending in endings]


def _written(name: str) -> bytes:
    return json.dumps(name, ensure_ascii=False)[1:-1].encode("utf-8", "backslashreplace")


def _once(parts: Iterable[bytes]) -> tuple[bytes, ...]:
    return tuple(dict.fromkeys(parts))


def _mentions(one: Source, parts: tuple[bytes, ...]) -> bool:
    try:
        data = read_regular(one.place)
    except OSError:
        return False  # it changed this moment: the next question finds it
    return any(part in data for part in parts)
