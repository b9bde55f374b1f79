"""``weighlock incident``: what the ledger knows about something that turned out bad, with proofs."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from weighlock._cli._options import format_option, lockfile_option, output_option
from weighlock._cli._terminal import Bar, emit, require_place, takes_color, width
from weighlock.incidents.reach import MEANINGS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.progress import ProgressColumn

    from weighlock.incidents.timeline import Incident


@click.group("incident", short_help="Report what the ledger knows about an incident, with proofs.")
def command() -> None:
    """Report what the ledger knows about something that turned out bad, with proofs for others."""


@command.command("report", short_help="Write the timeline of a subject, with proofs.")
@click.argument("subject")
@click.option("--as", "meaning", type=click.Choice(MEANINGS), help="What SUBJECT means, where that is not clear.")
@click.option(
    "--since", metavar="TIME", help="Entries from then on: 2026-11-30, 2026-11-30T12:00:00Z, or 7d, 12h, 30m."
)
@click.option("--until", metavar="TIME", help="Entries before that time.")
@click.option("--proofs", metavar="DIR", help="Write proofs, checkpoint, key and verifier into that folder.")
@lockfile_option
@click.option("--ledger", metavar="PLACE", help="The ledger. [env: WEIGHLOCK_LEDGER]")
@format_option("markdown", "html", "json", "text")
@output_option
def report(
    *,
    subject: str,
    meaning: str | None,
    since: str | None,
    until: str | None,
    proofs: str | None,
    lockfile: str | None,
    ledger: str | None,
    kind: str,
    output: str | None,
) -> int:
    """Write everything that the ledger knows about SUBJECT, in the order of time, and how long each step took.

    SUBJECT is what `weighlock where` takes, or the id of a quarantine. What processes recorded is sealed, and the whole
    ledger verified, before anything is written.

    \b
    Exit codes: 0 written, 2 written and not everything could be looked at or verified, or not written.
    """
    from weighlock._cli.ledger import time_of
    from weighlock.gates.incident import Asked
    from weighlock.gates.incident import report as made
    from weighlock.gates.incident_proofs import write_proofs
    from weighlock.output.incident.words import exit_code

    require_place(output)
    now = datetime.now(UTC)
    asked = Asked(
        subject=subject,
        meaning=meaning,
        since=time_of(since, now, "--since"),
        until=time_of(until, now, "--until"),
        lockfile=lockfile,
        ledger=ledger,
        environ=os.environ,
        now=now,
    )
    with Bar(_columns) as bar:
        incident = made(asked, bar)
    emit(_render(incident, kind, to_terminal=output is None and takes_color()), output)
    if proofs is not None and incident.proofs:
        write_proofs(incident, proofs)
    elif proofs is not None:
        click.echo("no proofs were written: there is no entry to prove, or the ledger was not verified", err=True)
    return exit_code(incident)


def _render(incident: Incident, kind: str, *, to_terminal: bool) -> str:
    if kind == "json":
        from weighlock.output.incident import json

        return json.render(incident)
    if kind == "html":
        from weighlock.output.incident import html

        return html.render(incident)
    if kind == "markdown":
        from weighlock.output.incident import markdown

        return markdown.render(incident)
    from weighlock.output.incident import text

    return text.render(incident, width=width() if sys.stdout.isatty() else 80, color=to_terminal)


def _columns() -> Sequence[ProgressColumn]:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn

    return TextColumn("entries of the ledger"), BarColumn(), MofNCompleteColumn()
