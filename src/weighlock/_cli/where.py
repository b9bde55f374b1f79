"""``weighlock where``: where something is, what was made from it, and who loaded it."""

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

    from weighlock.incidents.reach import Reach


@click.command("where", short_help="Say where a digest, model, package, advisory or signer is, and who loaded it.")
@click.argument("subject")
@click.option("--as", "meaning", type=click.Choice(MEANINGS), help="What SUBJECT means, where that is not clear.")
@click.option("--in", "places", multiple=True, metavar="PATH", help="Look into this file or folder, too.")
@lockfile_option
@click.option("--ledger", metavar="PLACE", help="The ledger. [env: WEIGHLOCK_LEDGER]")
@click.option("--derived", is_flag=True, help="Count the digests of what was made from it as its own.")
@click.option("--rebuild", is_flag=True, help="Make the index anew from the sources.")
@click.option("--no-absorb", is_flag=True, help="Leave what running processes recorded in their spools.")
@format_option("text", "json", "html")
@output_option
def command(
    *,
    subject: str,
    meaning: str | None,
    places: tuple[str, ...],
    lockfile: str | None,
    ledger: str | None,
    derived: bool,
    rebuild: bool,
    no_absorb: bool,
    kind: str,
    output: str | None,
) -> int:
    """Say where SUBJECT is, what was made from it, and who loaded it.

    SUBJECT is a digest or at least 8 digits of one, a file, a model (org/name, hf:, oci:, models:/), a base model, a
    package or package==version, an advisory (CVE, GHSA, PYSEC), or a signer of the policy.

    It looks into the lockfile, bills of materials and environment of the project, documents that the ledger recorded,
    promoted versions, and the ledger; --in adds files and folders. No server is asked.

    \b
    Exit codes: 0 it is nowhere and everything was looked at, 1 it was found, 2 not everything could be looked at.
    """
    from weighlock.gates.where import Question, answer
    from weighlock.output.where.words import exit_code

    require_place(output)
    question = Question(
        subject=subject,
        meaning=meaning,
        derived=derived,
        places=places,
        lockfile=lockfile,
        ledger=ledger,
        environ=os.environ,
        now=datetime.now(UTC),
        rebuild=rebuild,
        absorbs=not no_absorb,
    )
    with Bar(_columns) as bar:
        found = answer(question, bar)
    emit(_render(found, kind, to_terminal=output is None and takes_color()), output)
    return exit_code(found)


def _render(found: Reach, kind: str, *, to_terminal: bool) -> str:
    if kind == "json":
        from weighlock.output.where import json

        return json.render(found)
    if kind == "html":
        from weighlock.output.where import html

        return html.render(found)
    from weighlock.output.where import text

    return text.render(found, width=width() if sys.stdout.isatty() else 80, color=to_terminal)


def _columns() -> Sequence[ProgressColumn]:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn

    return TextColumn("entries of the ledger"), BarColumn(), MofNCompleteColumn()
