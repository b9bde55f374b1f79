"""Archives that two readers would read differently.

## What it does

It reports what lets the readers of an archive disagree: headers that contradict each other, names that stand twice,
hidden entries, overlapping or encrypted data, names that lead out of the folder.

## Why it matters

The loader and the judge must see the same bytes. PyTorch's reader, Python's `zipfile` and others resolve such
contradictions each in their own way.

## Known limits

All readings that are known are judged, so that the finding is about the intent as much as about the content.

## Sources

CVE-2025-1944 (names), CVE-2025-1945 (flags), CVE-2025-10156 (checksums); APPNOTE.TXT 6.3.10.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.finding import Finding, Outcome, Severity
from weighlock.formats.archive import Archive

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = Archive


def run(archive: Archive) -> Iterator[Finding]:
    """Yield one finding for each anomaly."""
    for anomaly in archive.anomalies:
        yield Finding(
            check="archive-anomalies",
            severity=Severity.HIGH,
            message=f"readers of the archive would disagree: {anomaly}",
            outcome=Outcome.REFUSED,
        )
