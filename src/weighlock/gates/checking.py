"""One run of ``weighlock check``: its gate with readers, indexes and advisories around it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from weighlock.advisories.cross_check import Seconded
from weighlock.gates.advisory_database import open_database, status_of
from weighlock.gates.bills import collect_bill, read_bill
from weighlock.gates.check_inputs import Reader
from weighlock.gates.ci import Collected, judge
from weighlock.gates.knowledge import Sources
from weighlock.gates.locked_models import judge_models
from weighlock.gates.packages import AdvisoriesStatus, PackageReport
from weighlock.gates.project import find_project
from weighlock.gates.releases import Knowledge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from weighlock.advisories.interface import AdvisorySource
    from weighlock.advisories.pip_audit import PipAudit
    from weighlock.gates.check_inputs import Inputs
    from weighlock.gates.deciding import Decider
    from weighlock.lockfile import Lockfile
    from weighlock.sources.interface import Progress


def run(
    inputs: Inputs,
    decider: Decider,
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
        decider: By the policy of the project.
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
    packages = bool(inputs.requirements or inputs.pylocks or inputs.uv_locks or inputs.environment or inputs.bills)
    policy = decider.policy.install
    reader = Reader(python=python, offline=offline, complete=complete, policy=policy, now=now, environ=environ, say=say)
    bills = [read_bill(path) for path in inputs.bills]
    models = _with_models(inputs, environ, offline=offline, progress=progress)
    if not packages:
        return decider.settle(
            PackageReport(
                command="check", packages=(), files=models.files, inputs=inputs.names, warnings=models.warnings
            )
        )
    say("opening the advisory database")
    with open_database(
        environ, most=policy.advisory_max_age, offline=offline, now=now, progress=progress
    ) as advisories:
        requests = reader.requests(inputs)
        collected = reader.collect(inputs, requests)
        lockfile = _models_of(inputs, environ) if bills else None
        listed = [collect_bill(bill, advisories, lockfile, policy, now) for bill in bills]
        source: AdvisorySource = advisories
        statuses: tuple[AdvisoriesStatus, ...] = (status_of(advisories, now),)
        if second is not None:
            source = Seconded(advisories, second)
            statuses = (*statuses, AdvisoriesStatus(source=second.status.name))
        knowledge = Knowledge(advisories=source, now=now)
        if not offline:
            knowledge = Sources.gather(reader.indexes(inputs, requests), source, environ).knowledge({}, now)
        return decider.settle(judge(_joined([collected, models, *listed]), knowledge, policy, statuses))


def _joined(parts: Sequence[Collected]) -> Collected:
    return Collected(
        lists=tuple(one for part in parts for one in part.lists),
        files=tuple(one for part in parts for one in part.files),
        packages=tuple(one for part in parts for one in part.packages),
        inputs=tuple(one for part in parts for one in part.inputs),
        warnings=tuple(one for part in parts for one in part.warnings),
    )


def _models_of(inputs: Inputs, environ: Mapping[str, str]) -> Lockfile | None:
    """Return the lockfile with which the models of a bill are compared: the one that is named, else the nearest."""
    project = find_project(environ, inputs.models)
    if inputs.models is None and not os.path.lexists(project.lock):
        return None
    return project.read(required=True)


def _with_models(inputs: Inputs, environ: Mapping[str, str], *, offline: bool, progress: Progress) -> Collected:
    if inputs.models is None:
        return Collected()
    files, warnings = judge_models(
        find_project(environ, inputs.models), inputs.models, offline=offline, progress=progress
    )
    return Collected(files=files, warnings=warnings)
