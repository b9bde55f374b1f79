"""Quarantine lists for tests: made by hand, so that each can be wrong in one way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from weighlock.quarantine import Denial, QuarantineList, Release, Subject
from weighlock.signing.quarantine_statement import statement_of

BAD = "b" * 64


def denial(number: int = 1, **words) -> Denial:
    """Return a denial of one digest, unless told otherwise."""
    words = {
        "id": f"Q{number}",
        "time": datetime(2026, 11, 1, 12, tzinfo=UTC),
        "subject": Subject(kind="digest", value=f"sha256:{BAD}"),
        "digests": (f"sha256:{BAD}",),
        "reason": "it opens a shell",
        "by": "ann@forge",
        **words,
    }
    return Denial(**words)


def release(of: str, number: int = 1, **words) -> Release:
    """Return the release of a denial."""
    time = datetime(2026, 11, 2, 12, tzinfo=UTC)
    words = {"id": f"R{number}", "of": of, "time": time, "reason": "a false alarm", "by": "ann@forge", **words}
    return Release(**words)


def listed(*events, name: str = "list-1", issued: datetime | None = None) -> QuarantineList:
    """Return a list of some events, signed just now."""
    now = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=2)
    return QuarantineList(id=name, issued=issued or now, events=events)


def signed(known: QuarantineList, key) -> bytes:
    """Return the bundle of a list."""
    return key.sign(statement_of(known).to_bytes()).to_bytes()
