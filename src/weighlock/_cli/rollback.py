"""``weighlock rollback``: bring an earlier version of a model into force again."""

from __future__ import annotations

import os
from typing import Any

import click

from weighlock._cli._options import format_option, lockfile_option, output_option, project_of
from weighlock._cli._promotion import registry_option, signer_options
from weighlock._cli._terminal import emit, require_place


@click.command("rollback", short_help="Bring an earlier version of a model into force again.")
@click.argument("model")
@click.option("--to", "version", default="previous", metavar="VERSION", help="A version, or previous, the default.")
@click.option("--stage", default="production", metavar="STAGE", help="In which it is; production by default.")
@click.option("--restore", is_flag=True, help="Also write the files of a model of your own back to their places.")
@registry_option
@signer_options
@lockfile_option
@format_option("text", "json")
@output_option
def command(
    *,
    model: str,
    version: str,
    stage: str,
    restore: bool,
    registry: str | None,
    sign_by: Any,
    lockfile: str | None,
    kind: str,
    output: str | None,
) -> int:
    """Bring the last version of MODEL into force that may be now, in place of the one that is.

    Its signature, every byte of it, quarantine and advisories are looked at again. The name, the entry in the
    lockfile and the ledger move together or not at all.

    \b
    Exit codes: 0 rolled back, 1 there is no earlier version that may be in force, 2 could not decide.
    """
    from weighlock.gates.promotion.case import verifiers_of
    from weighlock.gates.promotion.rollback import Request, roll_back
    from weighlock.gates.promotion.verifier import require_verifier
    from weighlock.output.promotion import rollback_json, rollback_text

    require_place(output)
    project = project_of(lockfile)
    signer, public = sign_by()
    require_verifier(signer, public, verifiers_of(project), project, logged=sign_by.logged)
    request = Request(model=model, to=version, stage=stage, registry=registry, environ=os.environ, restore=restore)
    done = roll_back(request, project, signer)
    emit((rollback_json if kind == "json" else rollback_text)(done), output)
    return 0
