"""Doubt about "nowhere": the sources themselves are searched for what the index does not have, byte by byte.

Whoever could write the index could take something out of it. They cannot make it unsaid in the ledger or in a lockfile,
so before nothing is reported, those are looked through for the very digits or the very name. It finds no spelling that
the index would not find; it finds that the index is not what it was made from.
"""

from __future__ import annotations

import json
import re
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


def documents_with(meanings: Iterable[Meaning], sources: Iterable[Source]) -> list[Source]:
    """Return the lockfiles and bills that mention a subject."""
    pattern = _any(part for one in meanings for part in _in_documents(one))
    if pattern is None:
        return []
    return [one for one in sources if one.kind in {LOCKFILE, BILL} and not one.problem and _mentions(one, pattern)]


def entry_with(meanings: Iterable[Meaning], ledger: Ledger) -> tuple[int, bytes] | None:
    """Return the first entry of a ledger that mentions a subject, and its number."""
    pattern = _any(part for one in meanings for part in _in_entries(one))
    if pattern is None:
        return None
    search = pattern.search
    try:
        return next((pair for pair in enumerate(ledger.read(0, ledger.size())) if search(pair[1])), None)
    except LedgerError:
        return None  # that it cannot be read is a gap already


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


def _any(parts: Iterable[bytes]) -> re.Pattern[bytes] | None:
    found = list(dict.fromkeys(parts))
    return re.compile(b"|".join(map(re.escape, found))) if found else None


def _mentions(one: Source, pattern: re.Pattern[bytes]) -> bool:
    try:
        return pattern.search(read_regular(one.place)) is not None
    except OSError:
        return False  # it changed this moment: the next question finds it
