"""``weighlock check``: judge what requirements, lockfiles and an environment name, and install nothing."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from weighlock._cli._environment import interpreter
from weighlock._cli._options import format_option, is_offline, output_option
from weighlock._cli._package_report import emit_packages
from weighlock._cli._terminal import Stage, require_place
from weighlock.advisory import Severity
from weighlock.errors import UsageError
from weighlock.output.packages import FORMS

if TYPE_CHECKING:
    from weighlock.advisories.pip_audit import PipAudit

_SEVERITIES = [str(severity) for severity in Severity if severity is not Severity.UNKNOWN]


@click.command("check", short_help="Judge requirements, lockfiles and environments; install nothing.")
@click.option("-r", "--requirement", "requirements", multiple=True, metavar="FILE", help="A requirements file.")
@click.option("--pylock", "pylocks", multiple=True, metavar="FILE", help="A pylock.toml.")
@click.option("--uv-lock", "uv_locks", multiple=True, metavar="FILE", help="A uv.lock.")
@click.option("--bom", "bills", multiple=True, metavar="FILE", help="A bill of materials: CycloneDX or SPDX.")
@click.option("--env", "environment", is_flag=True, help="What is installed, compared with its RECORD.")
@click.option("--python", metavar="PATH", help="Of the environment; by default the one that is active.")
@click.option("--models", metavar="FILE", help="A models.lock.")
@click.option("--no-deps", "complete", is_flag=True, help="The requirements list everything; resolve nothing.")
@click.option("--offline", is_flag=True, help="Ask no server.")
@click.option("--fail-on", type=click.Choice(_SEVERITIES), help="Refuse advisories of this severity or a higher one.")
@click.option("--with", "second", type=click.Choice(["pip-audit"]), help="Ask this source of advisories as well.")
@format_option(*FORMS)
@output_option
@click.option("--also", multiple=True, metavar="FORM=FILE", help="Write the report in this form as well.")
def command(
    *,
    requirements: tuple[str, ...],
    pylocks: tuple[str, ...],
    uv_locks: tuple[str, ...],
    bills: tuple[str, ...],
    environment: bool,
    python: str | None,
    models: str | None,
    complete: bool,
    offline: bool,
    fail_on: str | None,
    second: str | None,
    kind: str,
    output: str | None,
    also: tuple[str, ...],
) -> int:
    """Judge what requirements files, lockfiles, bills of materials and an environment name, and install nothing.

    Without a file, what the current folder has: requirements*.txt, pylock.toml, uv.lock, models.lock. Requirements
    are resolved as pip would resolve them, and nothing is built; with --no-deps or --offline they are taken as they
    stand, and what has no exact version cannot be decided.

    \b
    Exit codes: 0 everything may pass, 1 something is refused, 2 could not decide.
    """
    from weighlock.gates.check_inputs import Inputs, discover, grouped
    from weighlock.gates.checking import run
    from weighlock.gates.deciding import open_decider
    from weighlock.gates.load_settings import find_policy
    from weighlock.gates.organisation import require_option

    copies = [_copy(text) for text in also]
    for place in (output, *(path for _, path in copies)):
        require_place(place)
    inputs = Inputs(
        requirements=grouped(requirements),
        pylocks=pylocks,
        uv_locks=uv_locks,
        environment=environment,
        models=models,
        bills=bills,
    )
    if not inputs.names:
        inputs = discover(os.curdir)
        click.echo(f"checking {', '.join(inputs.names)}", err=True)
    project, place = find_policy(os.environ)
    if fail_on:
        require_option(f"--fail-on {fail_on}", "install.fail-on", fail_on, os.environ)
    policy = replace(project.install, fail_on=Severity(fail_on)) if fail_on else project.install
    decider = open_decider("check", replace(project, install=policy), place, os.environ)
    offline = is_offline(option=offline)
    with Stage() as stage:
        report = run(
            inputs,
            decider,
            python=interpreter(python),
            environ=os.environ,
            now=datetime.now(UTC),
            progress=stage,
            say=stage,
            offline=offline,
            complete=complete,
            second=_second(second, offline=offline),
        )
    if policy.fail_on is not project.install.fail_on:
        told = f"advisories refuse from {policy.fail_on} on, by --fail-on; the policy says {project.install.fail_on}"
        report = replace(report, warnings=(*report.warnings, told))
    emit_packages(report, kind, output)
    for form, path in copies:
        emit_packages(report, form, path)
    return report.exit_code


def _second(name: str | None, *, offline: bool) -> PipAudit | None:
    if name is None:
        return None
    if offline:
        raise UsageError("asks a server", where=f"--with {name}", hint="leave one of them out: --with or --offline")
    from weighlock.advisories.pip_audit import PipAudit

    return PipAudit()


def _copy(text: str) -> tuple[str, str]:
    form, _, path = text.partition("=")
    if form not in FORMS or not path:
        raise UsageError("write FORM=FILE", where=f"--also {text}", hint=f"FORM is one of {', '.join(FORMS)}")
    return form, path
