"""``weighlock approve-promotion``: agree, signed, that a locked model moves to a stage."""

from __future__ import annotations

import os
from typing import Any

import click

from weighlock._cli._options import format_option, lockfile_option, output_option, project_of
from weighlock._cli._promotion import duration, registry_option, signer_options
from weighlock._cli._terminal import TerminalProgress, emit, require_place


@click.command("approve-promotion", short_help="Agree, signed, that a locked model moves to a stage.")
@click.argument("model")
@click.option("--to", "stage", required=True, metavar="STAGE", help="Of the policy, such as production.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is a part of what is signed.")
@click.option("--expires", default="7d", metavar="TIME", help="How long it counts, such as 7d or 12h; 7d by default.")
@registry_option
@signer_options
@lockfile_option
@format_option("text", "json")
@output_option
def command(
    *,
    model: str,
    stage: str,
    reason: str,
    expires: str,
    registry: str | None,
    sign_by: Any,
    lockfile: str | None,
    kind: str,
    output: str | None,
) -> int:
    """Approve that MODEL, with exactly the files of the lockfile, replaces what is in force in a stage now.

    It counts once, for this stage, these files and these rules, until it expires, and not if you signed the model or
    its lockfile. The signature is written into the folder promotions/ by the lockfile.

    \b
    Exit codes: 0 approved, 1 refused, 2 could not be done.
    """
    from weighlock.gates.places import Places
    from weighlock.gates.promotion.approval import approve
    from weighlock.gates.promotion.case import Request
    from weighlock.output.promotion import approval_json, approval_text

    require_place(output)
    lasts = duration(expires, "--expires")
    project = project_of(lockfile)
    signer, _ = sign_by()
    request = Request(model=model, stage=stage, registry=registry, environ=os.environ)
    with TerminalProgress() as progress:
        done = approve(request, project, Places(folder=project.folder), progress, signer, reason=reason, lasts=lasts)
    emit((approval_json if kind == "json" else approval_text)(done), output)
    return 0
