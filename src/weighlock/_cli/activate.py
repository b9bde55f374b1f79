"""`weighlock activate`: switch the guard on for every interpreter of an environment."""

from __future__ import annotations

import os
from shlex import quote

import click

import weighlock
from weighlock._cli._environment import environment_of, is_guarded
from weighlock.errors import GuardError, UsageError
from weighlock.files import read_lockfile
from weighlock.runtime import MODES, _site


@click.command()
@click.option("--python", type=click.Path(dir_okay=False), help="Of the environment; by default this one.")
@click.option(
    "--lockfile", "lock", type=click.Path(dir_okay=False), help="The lockfile; by default the nearest to each program."
)
@click.option(
    "--policy", type=click.Path(dir_okay=False), help="The policy file; by default the nearest to each program."
)
@click.option("--mode", type=click.Choice(MODES), help="What a refusal does; by default the policy says.")
@click.option("--system", is_flag=True, help="Also outside of a virtual environment.")
def command(*, python: str | None, lock: str | None, policy: str | None, mode: str | None, system: bool) -> None:
    """Switch the guard on for every interpreter of an environment.

    Outside of a virtual environment, that is every program of the system that runs on its Python; it needs --system.
    WEIGHLOCK_MODE, WEIGHLOCK_LOCK and WEIGHLOCK_POLICY go before what is recorded here.
    """
    environment = environment_of(python)
    if not environment.virtual and not system:
        raise UsageError(
            "is not in a virtual environment, so the guard would be on for every program that it runs",
            where=environment.python,
            hint="name the interpreter of one, such as --python venv/bin/python, or add --system",
        )
    if lock:
        read_lockfile(lock)
    files = _site.start_up_files(
        environment.folder,
        os.path.dirname(os.path.dirname(os.path.abspath(weighlock.__file__))),
        mode=mode,
        lock=lock and os.path.abspath(lock),
        policy=policy and os.path.abspath(policy),
    )
    try:
        _site.write(files)
    except OSError as error:
        _site.remove(environment.folder)
        raise GuardError(f"cannot be written: {error.strerror}", where=environment.folder) from error
    if mode != "off" and not is_guarded(environment):
        _site.remove(environment.folder)
        raise GuardError("this interpreter does not run its start-up files", where=environment.python)
    click.echo(f"the guard is on for {environment.python}, recorded in {environment.folder}", err=True)
    if not lock:
        click.echo("programs without a models.lock in their folder or above it will not start", err=True)
    undo = "WEIGHLOCK_MODE=off weighlock deactivate"
    click.echo(f"undo: {undo}{f' --python {quote(python)}' if python else ''}", err=True)
