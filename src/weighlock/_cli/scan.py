"""``weighlock scan``: judge files where they lie."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING

import click

from weighlock._cli._options import engine_options, format_option, output_option
from weighlock._cli._terminal import Bar, emit, takes_color, width
from weighlock.scanners import NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from rich.progress import ProgressColumn

    from weighlock.executors.interface import Engine
    from weighlock.gates.scan import Report
    from weighlock.scanners.interface import Scanner


@click.command("scan", short_help="Judge files, folders, archives, a Hub cache.")
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--profile", "profiles", multiple=True, metavar="NAME", help="Take a profile's names as approved.")
@click.option("--digests", is_flag=True, help="Compute the SHA-256 of every file.")
@click.option("--with", "second", type=click.Choice(NAMES), help="Ask this scanner as well.")
@engine_options
@format_option("text", "json", "sarif")
@output_option
def command(
    *,
    paths: tuple[str, ...],
    profiles: tuple[str, ...],
    digests: bool,
    second: str | None,
    engine: Engine | None,
    kind: str,
    output: str | None,
) -> int:
    """Judge files, folders, archives and Hub caches, without a lockfile and without loading anything.

    Every file is inspected under every loader that would take its bytes, whatever its name says. A file
    that holds only data is ALLOW; one that needs classes, is dangerous or cannot be understood is DENY.
    Files that no loader would take are counted and not listed.

    \b
    Exit codes: 0 every file is ALLOW, 1 a file is DENY, 2 nothing could be judged.
    """
    from weighlock.gates.organisation import organisations_policy, require_profiles
    from weighlock.gates.quarantined import open_quarantine
    from weighlock.gates.recording import Recorder
    from weighlock.gates.scan import Judge, scan

    # A folder that is scanned may be a stranger's: where verdicts are recorded is not for its policy to say.
    policy = organisations_policy(os.environ)
    recorder = Recorder(os.environ, policy.evidence.ledger)
    quarantine = open_quarantine(os.environ, policy, None)
    require_profiles(profiles, os.environ)
    judge = Judge(profiles=profiles, digests=digests)
    with _scanner(second) as asked, Bar(_columns) as bar:
        report = scan(paths, judge, engine=engine, second=asked, progress=bar, recorder=recorder, quarantine=quarantine)
    emit(_render(report, kind, to_terminal=output is None and sys.stdout.isatty()), output)
    return 0 if report.allowed else 1


def _scanner(name: str | None) -> AbstractContextManager[Scanner | None]:
    if name is None:
        return nullcontext()
    from weighlock.scanners import scanner

    return scanner(name)


def _render(report: Report, kind: str, *, to_terminal: bool) -> str:
    if kind == "json":
        from weighlock.output import json

        return json.render(report)
    if kind == "sarif":
        from weighlock.output import sarif

        return sarif.render(report)
    from weighlock.output import text

    if not to_terminal:
        return text.render(report)
    return text.render(report, width=width(), color=takes_color())


def _columns() -> Sequence[ProgressColumn]:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

    return TextColumn("judging"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
