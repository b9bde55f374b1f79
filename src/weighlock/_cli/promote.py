"""``weighlock promote``: move a locked model to a stage, with proof."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from weighlock._cli._options import format_option, is_offline, lockfile_option, output_option, project_of
from weighlock._cli._promotion import registry_option, signer_options
from weighlock._cli._terminal import TerminalProgress, emit, require_place, takes_color

if TYPE_CHECKING:
    from weighlock.audit.facts import Packages
    from weighlock.gates.project import Project
    from weighlock.gates.promotion.gate import Promotion


@click.command("promote", short_help="Move a locked model to a stage, with proof.")
@click.argument("model")
@click.option("--to", "stage", required=True, metavar="STAGE", help="Of the policy, such as production.")
@click.option("--dry-run", is_flag=True, help="Say what is missing and what supplies it; sign and move nothing.")
@registry_option
@click.option("--bom", metavar="FILE", help="A bill of materials; by default models.cdx.json by the lockfile.")
@click.option("--audit", "record", metavar="RECORD", help="The record of the audit; by default audit.toml there.")
@click.option("-r", "--requirement", "requirements", multiple=True, metavar="FILE", help="Packages that it runs with.")
@click.option("--env", "environment", is_flag=True, help="It runs with what is installed.")
@signer_options
@lockfile_option
@format_option("text", "json")
@output_option
def command(
    *,
    model: str,
    stage: str,
    dry_run: bool,
    registry: str | None,
    bom: str | None,
    record: str | None,
    requirements: tuple[str, ...],
    environment: bool,
    sign_by: Any,
    lockfile: str | None,
    kind: str,
    output: str | None,
) -> int:
    """Promote MODEL, a name in the lockfile, to a stage, if everything that the stage requires was verified.

    Every file is hashed and inspected again. A verifier of the policy signs the summary, by which the name moves in
    the registry, once. What a stage requires stands in [[tool.weighlock.promotion.stages]].

    \b
    Exit codes: 0 promoted, 1 something is missing or fails, 2 could not decide.
    """
    from weighlock.gates.places import Places
    from weighlock.gates.promotion.case import Request, verifiers_of
    from weighlock.gates.promotion.gate import promote, rehearse
    from weighlock.gates.promotion.verifier import require_verifier
    from weighlock.output.promotion import promotion_json, promotion_text

    require_place(output)
    project, now = project_of(lockfile), datetime.now(UTC)
    signer = None
    if not dry_run:
        signer, public = sign_by()
        require_verifier(signer, public, verifiers_of(project), project, logged=sign_by.logged)
    request = Request(
        model=model,
        stage=stage,
        registry=registry,
        bom=Path(bom) if bom else None,
        record=Path(record) if record else None,
        packages=_packages(requirements, project, environment=environment, now=now),
        environ=os.environ,
        now=now,
    )
    places = Places(folder=project.folder)
    with TerminalProgress() as progress:
        if signer is None:
            done = rehearse(request, project, places, progress)
        else:
            done = promote(request, project, places, progress, signer)
    emit(promotion_json(done, dry_run=dry_run) if kind == "json" else _text(done, promotion_text, dry_run), output)
    return 0 if done.verdict.allowed else 1


def _text(done: Promotion, render: Any, dry_run: bool) -> str:  # noqa: FBT001 - passed on
    return str(render(done, dry_run=dry_run, color=takes_color()))


def _packages(requirements: tuple[str, ...], project: Project, *, environment: bool, now: datetime) -> Packages | None:
    from weighlock._cli.audit import packages_for

    if not requirements and not environment:
        return None
    return packages_for(
        requirements,
        project,
        environment=environment,
        python=None,
        complete=False,
        offline=is_offline(option=False),
        now=now,
    )
