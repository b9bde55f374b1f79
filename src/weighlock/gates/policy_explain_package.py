"""``weighlock policy explain`` of a package: what becomes of each finding, see `weighlock.gates.policy_explain`."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weighlock.artifact import Digest
from weighlock.digests import sha256_file
from weighlock.errors import AdmissionError, UsageError
from weighlock.evidence_policy import EvidencePolicy
from weighlock.formats.source import FileSource
from weighlock.gates.deciding import Decider
from weighlock.gates.load_settings import find_settings
from weighlock.gates.packages import JudgedPackage, PackageReport
from weighlock.gates.policy_explain import (
    ACCEPTED,
    DENIES,
    PASSES,
    RESTS_ON,
    Explanation,
    Step,
    decider_of,
    engine_steps,
)
from weighlock.gates.policy_view import PolicyView, view
from weighlock.sources.directory import opened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from weighlock.finding import Finding
    from weighlock.gates.load_settings import Settings
    from weighlock.sources.interface import Progress
    from weighlock.verdict import Reason


def explain_package(
    requirement: str,
    environ: Mapping[str, str],
    *,
    python: str,
    now: datetime,
    progress: Progress,
    offline: bool = False,
) -> Explanation:
    """Explain the verdict about a package.

    Args:
        requirement: ``name==version``, or the path of a wheel.
        environ: Says which policy holds.
        python: The interpreter that it would be installed for.
        now: The time, with a time zone.
        progress: Is told what is fetched.
        offline: Ask no server.

    Raises:
        WeighlockError: Something cannot be read or asked, so that nothing can be decided.
    """
    shown, settings = view(environ), find_settings(environ)
    judged = _collected(requirement, settings, environ, python=python, now=now, progress=progress, offline=offline)
    notes = () if requirement.endswith(".whl") else ("the contents of its files are judged when it is installed",)
    steps = tuple(_package_steps(shown, judged, now))
    decider, install = decider_of("install", settings), settings.policy.install
    judged = replace(judged, verdict=install.decide(judged.release.artifact, judged.findings, now))
    verdict = decider.settle(PackageReport(command="policy", packages=(judged,))).packages[0].verdict
    return Explanation(
        subject=judged.title,
        digest=str(judged.release.artifact.digest) if judged.release.artifact.digest else None,
        gate="install",
        mode="enforce",
        steps=(*steps, *engine_steps(shown, verdict)),
        verdict=verdict,
        policy=shown.digest,
        notes=notes,
    )


def _package_steps(shown: PolicyView, judged: JudgedPackage, now: datetime) -> Iterator[Step]:
    """Yield what becomes of each finding by itself: the policy judges them one by one."""
    for finding in judged.findings:
        alone = shown.policy.install.decide(judged.release.artifact, [finding], now)
        reason = alone.reasons[0] if alone.reasons else None
        names = RESTS_ON.get(finding.check, ("install.accept",))
        if finding.check == "advisory" and finding.advisory is None:
            names = ("install.advisory-max-age",)
        answer = PASSES if reason is None else ACCEPTED if alone.allowed else DENIES
        yield Step(
            rule=finding.check if reason is None else reason.rule,
            answer=answer,
            message=_package_message(finding, reason),
            values=tuple(shown.value(name) for name in names),
            remedy=None if reason is None else reason.remedy,
        )


def _package_message(finding: Finding, reason: Reason | None) -> str:
    if reason is None:
        return f"{finding.message} (severity {finding.severity}, which does not count)"
    return reason.message


def _collected(requirement: str, settings: Settings, environ: Mapping[str, str], **how: Any) -> JudgedPackage:
    """Return the package with all that `weighlock check` finds, and of a wheel all that is in it."""
    from weighlock.gates.check_inputs import Inputs
    from weighlock.gates.checking import run

    wheel = os.path.abspath(requirement) if requirement.endswith(".whl") else None
    line = _pinned(requirement) if wheel is None else Path(wheel).as_uri()
    with tempfile.TemporaryDirectory(prefix="weighlock-") as folder:
        listed = os.path.join(folder, "requirements.txt")
        with open(listed, "w", encoding="utf-8") as file:
            file.write(f"{line}\n")
        progress = how.pop("progress")
        decider = Decider("check", replace(settings.policy, evidence=EvidencePolicy()))  # engines are asked at the end
        report = run(
            Inputs(requirements=((listed,),)),
            decider,
            environ=environ,
            progress=progress,
            say=lambda _line: None,
            complete=True,
            **how,
        )
    if len(report.packages) != 1:
        raise UsageError("is not one package", where=requirement, hint="name it as name==version, or a wheel")
    judged = report.packages[0]
    return judged if wheel is None else _with_contents(judged, wheel)


def _pinned(requirement: str) -> str:
    """Return a requirement of one version, which is nothing else that a requirements file may hold.

    Raises:
        UsageError: It is none.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        read = Requirement(requirement)
        pinned = read.url is None and [one.operator for one in read.specifier] == ["=="]
    except InvalidRequirement:
        pinned = False
    if not pinned:
        raise UsageError("is no name==version", where=requirement, hint="name a package as name==version, or a file")
    return str(read)


def _with_contents(judged: JudgedPackage, wheel: str) -> JudgedPackage:
    from weighlock.inspector.packages import inspect_wheel

    with opened(Path(wheel)) as (descriptor, size):
        source = FileSource(descriptor, size)
        found = inspect_wheel(source, os.path.basename(wheel)).findings
        digest = Digest.sha256(sha256_file(descriptor, size))
    if judged.release.artifact.digest not in {None, digest}:
        raise AdmissionError("the file was changed while it was judged", where=wheel)
    artifact = replace(judged.release.artifact, digest=digest, size=size)
    told = [finding for finding in found if finding not in judged.findings]
    return replace(judged, release=replace(judged.release, artifact=artifact), findings=(*judged.findings, *told))
