"""``weighlock audit``: the four-part checklist of one model, filled from evidence, with what is still open."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from weighlock._cli._environment import interpreter
from weighlock._cli._options import format_option, is_offline, lockfile_option, output_option, project_of
from weighlock._cli._terminal import Stage, TerminalProgress, emit, require_place, takes_color
from weighlock.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from weighlock.audit.facts import Packages
    from weighlock.audit.verdict import Audit
    from weighlock.gates.project import Project


@click.command("audit", short_help="Audit one model: provenance, security, dependencies, legal.")
@click.argument("model")
@click.option("--record", metavar="FILE", help="Answers and waivers of people; by default audit.toml by the lockfile.")
@click.option("--init", is_flag=True, help="Write the open questions into the record, and report nothing.")
@click.option("--bom", metavar="FILE", help="A bill of materials; by default models.cdx.json by the lockfile.")
@click.option("-r", "--requirement", "requirements", multiple=True, metavar="FILE", help="Packages that it runs with.")
@click.option("--env", "environment", is_flag=True, help="It runs with what is installed.")
@click.option("--python", metavar="PATH", help="Of the environment; by default the one that is active.")
@click.option("--no-deps", "complete", is_flag=True, help="The requirements list everything; resolve nothing.")
@click.option("--offline", is_flag=True, help="Ask no server.")
@lockfile_option
@format_option("text", "json", "markdown", "html")
@output_option
def command(
    *,
    model: str,
    record: str | None,
    init: bool,
    bom: str | None,
    requirements: tuple[str, ...],
    environment: bool,
    python: str | None,
    complete: bool,
    offline: bool,
    lockfile: str | None,
    kind: str,
    output: str | None,
) -> int:
    """Audit MODEL: a locked model by its name, or a file or a folder.

    Every question is pass, fail, waived or not assessed. Machines answer from the files, the lockfile, the policy
    and the ledger; what a person has to answer stays open until the record of answers (audit.toml) says it.

    \b
    Exit codes: 0 every required item passes or is waived, 1 something fails or is open, 2 could not decide.
    """
    from weighlock.gates.audit import Request, audit, record_report
    from weighlock.gates.places import Places

    require_place(output)
    project = project_of(lockfile)
    now = datetime.now(UTC)
    packages = None
    if requirements or environment:
        packages = packages_for(
            requirements,
            project,
            environment=environment,
            python=python,
            complete=complete,
            offline=is_offline(option=offline),
            now=now,
        )
    request = Request(
        target=model,
        record=Path(record) if record else None,
        bom=Path(bom) if bom else None,
        packages=packages,
        environ=os.environ,
        now=now,
    )
    with TerminalProgress() as progress:
        concluded = audit(request, project, Places(folder=project.folder), progress)
    if init:
        return _write_record(concluded, project, record)
    text = _render(concluded, kind, to_terminal=output is None and takes_color())
    emit(text, output)
    if output is not None and os.path.isfile(output):
        record_report(project, output, text)
    return 0 if concluded.verdict.allowed else 1


def packages_for(
    requirements: tuple[str, ...],
    project: Project,
    *,
    environment: bool,
    python: str | None,
    complete: bool,
    offline: bool,
    now: datetime,
) -> Packages:
    """Return what was judged about the packages that a model runs with, as the options name them."""
    from weighlock.gates.audited_packages import packages_of
    from weighlock.gates.check_inputs import Inputs, grouped
    from weighlock.gates.checking import run

    environ: Mapping[str, str] = os.environ
    with Stage() as stage:
        report = run(
            Inputs(requirements=grouped(requirements), environment=environment),
            project.decider("audit"),
            python=interpreter(python),
            environ=environ,
            now=now,
            progress=stage,
            say=stage,
            offline=offline,
            complete=complete,
        )
    return packages_of(report)


def _write_record(concluded: Audit, project: Project, named: str | None) -> int:
    from weighlock.audit.record import parse
    from weighlock.files import read_regular, write_atomically
    from weighlock.gates.audit import RECORD
    from weighlock.output.audit.record import beginning, questions

    path = Path(named) if named else project.folder / RECORD
    there = read_regular(path).decode() if path.exists() else ""
    if there and parse(there).of(concluded.facts.model) is not None:
        raise UsageError(
            f"has answers for {concluded.facts.model} already",
            where=str(path),
            hint="answer there; where the model changed, set its digest once its answers were looked at again",
        )
    write_atomically(path, ((there.rstrip("\n") + "\n\n" if there else beginning()) + questions(concluded)).encode())
    click.echo(f"wrote the open questions of {concluded.facts.model} into {path}", err=True)
    return 0


def _render(concluded: Audit, kind: str, *, to_terminal: bool) -> str:
    if kind == "json":
        from weighlock.output.audit import json

        return json.render(concluded)
    if kind == "markdown":
        from weighlock.output.audit import markdown

        return markdown.render(concluded)
    if kind == "html":
        from weighlock.output.audit import html

        return html.render(concluded)
    from weighlock.output.audit import text

    return text.render(concluded, color=to_terminal and sys.stdout.isatty())
