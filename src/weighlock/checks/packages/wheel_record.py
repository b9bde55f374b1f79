"""Wheels whose RECORD does not list exactly what is in them.

## What it does

It refuses a wheel without exactly one .dist-info folder and a RECORD in it that can be read, a file that RECORD does
not list or lists without a digest, a line without a file, two lines about one file that differ, digests of algorithms
weaker than SHA-256, and every file whose bytes have another digest or another size than RECORD says. Every byte of
every member is read for that.

## Why it matters

pip does not compare files with RECORD when it installs them. So a wheel can be repacked with a file more, and whoever
checks the environment later, or uninstalls the package, never learns of that file.

## Known limits

RECORD comes with the wheel: whoever changes both makes it agree. It shows sloppy tampering and hidden files, and says
nothing about who made the wheel; digests from an index, provenance and the lockfile do.

## Sources

PEP 376, PEP 427; the wheel confusion attacks that PyPI warns of since August 2025. None of 396 popular wheels differs
from its RECORD.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.finding import Finding, Location, Outcome, Severity, listing
from weighlock.formats.record import STRONG
from weighlock.formats.wheel import Recorded, Wheel

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = (Wheel, Recorded)

# A file cannot hold its own digest, nor that of a signature of itself.
_UNLISTED = ("RECORD", "RECORD.jws", "RECORD.p7s")


def run(found: Wheel | Recorded) -> Iterator[Finding]:
    """Yield a finding for each way in which RECORD and the wheel differ."""
    if isinstance(found, Recorded):
        yield from _of_content(found)
    else:
        yield from _of_wheel(found)


def _of_wheel(wheel: Wheel) -> Iterator[Finding]:
    if wheel.dist_info is None:
        named = (
            f"several .dist-info folders: {listing(wheel.dist_infos)}" if wheel.dist_infos else "no .dist-info folder"
        )
        yield _finding(f"it has {named}")
        return
    record = wheel.record
    if record is None:
        yield _finding(f"its RECORD cannot be read: {wheel.broken.get('RECORD', 'there is none')}")
        return
    unlisted = {f"{wheel.dist_info}/{name}" for name in _UNLISTED}
    names = wheel.names
    missing = sorted(names - record.rows.keys() - unlisted)
    if missing:
        yield _finding(f"RECORD does not list files that are in the wheel: {listing(missing)}", missing[0])
    absent = sorted(record.rows.keys() - names - unlisted)
    if absent:
        yield _finding(f"RECORD lists files that are not in the wheel: {listing(absent)}")
    if record.twice:
        yield _finding(f"RECORD says different things about one file: {listing(record.twice)}")
    if record.odd:
        yield _finding(f"RECORD has lines that readers take differently: {listing(record.odd)}")
    weak = sorted(path for path, row in record.rows.items() if row.algorithm not in STRONG and path not in unlisted)
    if weak:
        yield _finding(f"RECORD has no digest to rely on for {listing(weak)}", weak[0])


def _of_content(found: Recorded) -> Iterator[Finding]:
    if found.row.size is not None and found.row.size != found.size:
        yield _finding(f"it has {found.size} bytes where RECORD says {found.row.size}", found.member.name)
    elif found.digest and found.row.digest != found.digest:
        yield _finding("its bytes have another digest than RECORD says", found.member.name)


def _finding(message: str, member: str | None = None) -> Finding:
    return Finding(
        check="wheel-record",
        severity=Severity.HIGH,
        message=message,
        location=Location(members=(member,) if member else ()),
        outcome=Outcome.REFUSED,
    )
