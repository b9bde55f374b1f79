"""Model files and pickles that a package brings along.

## What it does

Every member of a wheel that a machine-learning library or an unpickler would load is judged like a model file of its
own, whatever it is called. One that is dangerous or evasive makes the wheel refused; one that needs classes, or that
could not be read to its end, is told of.

## Why it matters

A package of three harmless lines can load a pickle that it brings along, and whoever reads only its Python files finds
nothing.

## Known limits

A file whose content only the package's own code can decode is not recognised; that code is judged. Pickles that need
classes of libraries are common in the test data of honest packages, so that they only inform.

## Sources

aliyun-ai-labs-snippets-sdk and its siblings (May 2025), whose code lay in a pickle inside a PyTorch model. Of 396
popular wheels twelve have files that need classes or cannot be read to their end (test data of gensim, joblib, scipy,
statsmodels and others, locale data of babel); none has one that is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighlock.finding import Finding, Location, Outcome, Severity
from weighlock.formats.wheel import PackagedModel

if TYPE_CHECKING:
    from collections.abc import Iterator

STRUCTURE = PackagedModel

_WORSE = (Outcome.NEEDS_APPROVAL, Outcome.UNVERIFIABLE)


def run(model: PackagedModel) -> Iterator[Finding]:
    """Yield a finding about the file, with what is worst about it."""
    inspection = model.inspection
    if inspection.outcome is Outcome.REFUSED:
        yield _finding(model, Severity.CRITICAL, Outcome.REFUSED)
    elif model.is_exhausted:
        yield _finding(model, Severity.HIGH, Outcome.UNVERIFIABLE)
    elif inspection.outcome in _WORSE:
        yield _finding(model, Severity.MEDIUM, Outcome.DATA_ONLY)


def _finding(model: PackagedModel, severity: Severity, outcome: Outcome) -> Finding:
    inspection = model.inspection
    worst = inspection.findings[0] if inspection.findings else None  # the worst ones come first
    reason = f"{worst.check}: {worst.message}" if worst is not None else str(inspection.outcome)
    within = worst.location.members if worst is not None else ()
    return Finding(
        check="models-in-package",
        severity=severity,
        message=f"a file of the format {inspection.format or 'unknown'} is {inspection.outcome}, {reason}",
        location=Location(members=(model.member.name, *within), offset=worst.location.offset if worst else None),
        outcome=outcome,
        imports=worst.imports if worst is not None else (),
    )
