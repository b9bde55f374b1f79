"""One run of ``weighlock check``: its gate with readers, indexes and advisories around it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from weighlock.advisories.cross_check import Seconded
from weighlock.gates.advisory_database import open_database, status_of
from weighlock.gates.check_inputs import Reader
from weighlock.gates.ci import Collected, judge
from weighlock.gates.knowledge import Sources
from weighlock.gates.locked_models import judge_models
from weighlock.gates.packages import AdvisoriesStatus, PackageReport
from weighlock.gates.project import find_project
from weighlock.gates.releases import Knowledge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from weighlock.advisories.interface import AdvisorySource
    from weighlock.advisories.pip_audit import PipAudit
    from weighlock.gates.check_inputs import Inputs
    from weighlock.install_policy import InstallPolicy
    from weighlock.sources.interface import Progress


def run(
    inputs: Inputs,
    policy: InstallPolicy,
    *,
    python: str,
    environ: Mapping[str, str],
    now: datetime,
    progress: Progress,
    say: Callable[[str], None],
    offline: bool = False,
    complete: bool = False,
    second: PipAudit | None = None,
) -> PackageReport:
    """Judge what a person named.

    Args:
        inputs: Files, and whether the environment is meant.
        policy: Of the project.
        python: The interpreter of the environment that is meant.
        environ: The variables of the user.
        now: The time, with a time zone.
        progress: Is told what is fetched and hashed.
        say: Is told what is being done.
        offline: Ask no server.
        complete: The requirements files list everything that would be installed.
        second: Is asked about everything that is judged as well.

    Raises:
        WeighlockError: Something could not be read or asked, so nothing can be decided.
    """
    packages = bool(inputs.requirements or inputs.pylocks or inputs.uv_locks or inputs.environment)
    reader = Reader(python=python, offline=offline, complete=complete, policy=policy, now=now, environ=environ, say=say)
    models = _with_models(inputs, environ, offline=offline, progress=progress)
    if not packages:
        return PackageReport(
            command="check", packages=(), files=models.files, inputs=inputs.names, warnings=models.warnings
        )
    say("opening the advisory database")
    with open_database(
        environ, most=policy.advisory_max_age, offline=offline, now=now, progress=progress
    ) as advisories:
        requests = reader.requests(inputs)
        collected = reader.collect(inputs, requests)
        source: AdvisorySource = advisories
        statuses: tuple[AdvisoriesStatus, ...] = (status_of(advisories, now),)
        if second is not None:
            source = Seconded(advisories, second)
            statuses = (*statuses, AdvisoriesStatus(source=second.status.name))
        knowledge = Knowledge(advisories=source, now=now)
        if not offline:
            knowledge = Sources.gather(reader.indexes(inputs, requests), source, environ).knowledge({}, now)
        collected = replace(
            collected,
            files=(*collected.files, *models.files),
            warnings=(*collected.warnings, *models.warnings),
        )
        return judge(collected, knowledge, policy, statuses)


def _with_models(inputs: Inputs, environ: Mapping[str, str], *, offline: bool, progress: Progress) -> Collected:
    if inputs.models is None:
        return Collected()
    files, warnings = judge_models(
        find_project(environ, inputs.models), inputs.models, offline=offline, progress=progress
    )
    return Collected(files=files, warnings=warnings)
