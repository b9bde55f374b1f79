"""What ``weighlock verify`` says about files that are as they were locked, and in quarantine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from weighlock.gates.load_quarantine import names_of_model
from weighlock.gates.verify import MISMATCHES, QUARANTINED, VerifyReport

if TYPE_CHECKING:
    from weighlock.gates.quarantined import Quarantine
    from weighlock.lockfile import Lockfile


def quarantined(report: VerifyReport, lockfile: Lockfile, quarantine: Quarantine | None) -> VerifyReport:
    """Return the report, in which what is in quarantine is a mismatch.

    Args:
        report: What was found.
        lockfile: Knows by what names models may be denied.
        quarantine: The lists; ``None`` where there are none.

    Raises:
        AdmissionError: Nobody knows what is in quarantine.
    """
    if quarantine is None:
        return report
    quarantine.refuse()
    files = []
    for file in report.files:
        model = lockfile.by_name(file.model) if file.model else None
        names = names_of_model(model) if model else ()
        denied = quarantine.known((file.sha256,) if file.sha256 else (), models=names)
        bad = file.status not in MISMATCHES and denied is not None
        files.append(replace(file, status=QUARANTINED, message=denied.message) if bad and denied else file)
    return VerifyReport(files=tuple(files))
