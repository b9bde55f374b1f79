"""`weighlock install`: pip install, judged first."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from weighlock._cli._environment import interpreter
from weighlock._cli._options import format_option, output_option
from weighlock._cli._package_report import emit_packages
from weighlock._cli._terminal import Stage, require_place
from weighlock.output.packages import FORMS

if TYPE_CHECKING:
    from weighlock.gates.packages import PackageReport
    from weighlock.sources.pip.interface import PipRequest

_SETTINGS = {"ignore_unknown_options": True, "help_option_names": ["-h", "--help"]}


@click.command(context_settings=_SETTINGS)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="PIP-ARGS...")
@click.option("--python", metavar="PATH", help="Of the environment; by default the one that is active.")
@click.option("--offline", is_flag=True, help="Ask no server.")
@click.option("--resolver", type=click.Choice(("pip", "uv")), default="pip", help="Chooses the versions.")
@format_option(*FORMS)
@output_option
def command(
    *,
    arguments: tuple[str, ...],
    python: str | None,
    offline: bool,
    resolver: str,
    kind: str,
    output: str | None,
) -> int:
    """Install packages as pip does, after judging them.

    PIP-ARGS are those of `pip install`, and keep their meaning. Nothing of a package runs, and nothing is installed,
    before everything was judged; then exactly the judged bytes are installed, or nothing is.

    \b
    Exit codes: 0 installed, 1 refused by policy, 2 could not decide; with 1 and 2 nothing was installed.
    """
    from weighlock.gates.deciding import open_decider
    from weighlock.gates.installing import Run
    from weighlock.gates.load_settings import find_policy
    from weighlock.sources.pip.arguments import read

    require_place(output)
    python = interpreter(python)
    request = read(arguments, python=python, offline=offline)
    policy, place = find_policy(os.environ)
    with Stage() as stage:
        run = Run(
            decider=open_decider("install", policy, place, os.environ),
            environ=os.environ,
            now=datetime.now(UTC),
            offline=offline,
            stage=stage,
            progress=stage,
            resolver=resolver,
        )
        report = run(request)
    if not request.quiet or not report.allowed or output is not None:
        emit_packages(report, kind, output)
    if report.allowed:
        _say_done(report, request)
    else:
        click.echo("nothing was installed", err=True)
    return report.exit_code


def _say_done(report: PackageReport, request: PipRequest) -> None:
    if request.quiet:
        return
    pins = [package.title for package in report.packages]
    if not pins:
        what = "nothing to do: everything that was asked for is installed"
    elif request.dry_run:
        what = f"would install: {' '.join(pins)}"
    else:
        what = f"installed: {' '.join(pins)}"
    click.echo(f"{what} ({request.python})", err=True)
