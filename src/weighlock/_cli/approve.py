"""``weighlock approve``: record, in the lockfile, the exact names that a file may import."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from weighlock._cli._options import is_offline, project_of, transfer_options
from weighlock._cli._signatures import warn_after, warn_before
from weighlock._cli._terminal import TerminalProgress, emit
from weighlock.errors import UsageError

if TYPE_CHECKING:
    from weighlock.gates.approve import Proposal


@click.command("approve", short_help="Record the exact names that a file may import.")
@click.argument("target", metavar="FILE|MODEL:FILE")
@click.option("--profile", "profiles", multiple=True, metavar="NAME", help="Accept the names of a profile.")
@click.option("--import", "imports", multiple=True, metavar="NAME", help="Accept this exact name, module.name.")
@click.option("--unsafe", is_flag=True, help="Accept the file whatever it does. Needs --reason.")
@click.option("--reason", metavar="TEXT", help="Why; it is written into the lockfile.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@transfer_options
def command(
    *,
    target: str,
    profiles: tuple[str, ...],
    imports: tuple[str, ...],
    unsafe: bool,
    reason: str | None,
    yes: bool,
    lockfile: str | None,
    offline: bool,
    allow_http: bool,
    kind: str,
    output: str | None,
) -> int:
    """Show the exact names that a file needs, and record them in the lockfile for exactly these bytes.

    Without --import and --profile, every name that the file needs is accepted, after a look at them. A file that
    is refused or cannot be understood is accepted by --unsafe --reason only.

    \b
    Exit codes: 0 approved, 1 refused or declined, 2 could not be done.
    """
    from weighlock.gates.approve import Acceptance, approve
    from weighlock.gates.lock import LockOptions
    from weighlock.output.lockfile import approve_json, approve_text

    project = project_of(lockfile)
    options = LockOptions(offline=is_offline(option=offline), allow_http=allow_http)
    acceptance = Acceptance(profiles=profiles, imports=imports, unsafe=unsafe, reason=reason)
    warn_before(project)
    with TerminalProgress() as progress:
        approved = approve(
            target,
            acceptance,
            project,
            options,
            confirm=lambda proposal: _confirm(proposal, yes=yes),
            progress=progress,
        )
    render = approve_json if kind == "json" else approve_text
    emit(render(approved, str(project.lock)), output)
    warn_after(project, written=approved.written)
    return 0


def _confirm(proposal: Proposal, *, yes: bool) -> bool:
    from weighlock.output.lockfile import proposal_text

    click.echo(proposal_text(proposal), nl=False, err=True)
    if yes:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("nobody is there to confirm", hint="look at the names above and add --yes")
    return click.confirm("accept", default=False, err=True)
