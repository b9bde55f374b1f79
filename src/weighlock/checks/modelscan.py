"""What modelscan says, with ``weighlock scan --with modelscan``.

## What it does

It passes on the issues that modelscan reports, each with its severity. Critical and high ones refuse the file, the
others need an approval that nobody can give by name. Where modelscan failed, or skipped a file of a format that it has
a scanner for, the file is unverifiable.

## Why it matters

Two engines that were written apart are rarely wrong in the same place. But "no issues found" of a scanner that skipped
the file is not an answer, and must not look like one.

## Known limits

modelscan works with lists of known-bad names: that it finds nothing says little. It has no scanner for safetensors,
GGUF, ONNX, TFLite and others; there it has no say, which is noted and changes nothing. Without TensorFlow and h5py it
cannot look into Keras files and SavedModels, and with NumPy 2 it fails at arrays: these are unverifiable then. Files
that no loader would take count only where modelscan reports something about them. It reads the file again, by its name.

## Sources

https://github.com/protectai/modelscan, version 0.8: its report of issues, errors and skipped files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.finding import Finding, Location, Outcome, Severity
from weighlock.formats.opinion import Opinion

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = Opinion

_SEVERITIES = {str(severity): severity for severity in Severity}
_GRAVE = frozenset({Severity.CRITICAL, Severity.HIGH})


def run(opinion: Opinion) -> Iterator[Finding]:
    """Yield a finding for each thing that the scanner says."""
    for issue in opinion.issues:
        severity = _SEVERITIES.get(issue.severity.lower(), Severity.HIGH)
        yield Finding(
            check="modelscan",
            severity=severity,
            message=issue.message,
            location=Location(members=(issue.member,) if issue.member else ()),
            outcome=Outcome.REFUSED if severity in _GRAVE else Outcome.NEEDS_APPROVAL,
            imports=(f"{opinion.scanner}:{issue.name}",),
        )
    for problem in opinion.problems:
        yield Finding(
            check="modelscan",
            severity=Severity.HIGH,
            message=f"{opinion.scanner} could not judge it: {problem}",
            outcome=Outcome.UNVERIFIABLE,
        )
    if opinion.unknown:
        yield Finding(
            check="modelscan",
            severity=Severity.INFO,
            message=f"{opinion.scanner} does not know this format, and has no say",
        )
