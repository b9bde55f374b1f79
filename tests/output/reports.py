"""Reports for the renderers to render."""

from __future__ import annotations

from weighlock.artifact import Digest, ModelFile
from weighlock.finding import Finding, Inspection, Location, Outcome, Severity
from weighlock.gates.scan import Judged, Report
from weighlock.policy import Policy


def judged(path: str, inspection: Inspection, *, size: int = 1234, digest: str | None = None) -> Judged:
    artifact = ModelFile(
        path=path, size=size, format=inspection.format, digest=Digest.sha256(digest) if digest else None
    )
    return Judged(
        artifact=artifact,
        inspection=inspection,
        verdict=Policy(unlocked="inspect").decide(artifact, inspection),
    )


def hostile(message: str, *members: str, offset: int | None = None) -> Inspection:
    """Return what was seen in a file whose author writes for the reader of the report."""
    finding = Finding(
        check="dangerous-import",
        severity=Severity.CRITICAL,
        message=message,
        outcome=Outcome.REFUSED,
        location=Location(members=members, offset=offset),
    )
    return Inspection(format="pickle", outcome=Outcome.REFUSED, findings=(finding,))


CLEAN = Inspection(format="safetensors", outcome=Outcome.DATA_ONLY)
NEEDY = Inspection(
    format="joblib",
    outcome=Outcome.NEEDS_APPROVAL,
    imports=("collections.OrderedDict", "sklearn.linear_model._base.LinearRegression"),
    needs=("sklearn.linear_model._base.LinearRegression",),
    findings=(
        Finding(
            check="unapproved-import",
            severity=Severity.MEDIUM,
            message="it imports sklearn.linear_model._base.LinearRegression",
            outcome=Outcome.NEEDS_APPROVAL,
            location=Location(offset=7),
        ),
    ),
)
EVIL = Inspection(
    format="torch-zip",
    outcome=Outcome.REFUSED,
    imports=("posix.system",),
    needs=("posix.system",),
    findings=(
        Finding(
            check="dangerous-import",
            severity=Severity.CRITICAL,
            message="it calls posix.system",
            outcome=Outcome.REFUSED,
            location=Location(members=("archive/data.pkl",), offset=23),
            imports=("posix.system",),
        ),
    ),
)


def report(*items: Judged, not_models: int = 0, repeats: int = 0) -> Report:
    return Report(command="scan", judged=items, not_models=not_models, repeats=repeats)


def mixed() -> Report:
    return report(
        judged("clean.safetensors", CLEAN, digest="ab" * 32),
        judged("dir/evil.bin", EVIL),
        judged("model.joblib", NEEDY),
        not_models=2,
        repeats=1,
    )
