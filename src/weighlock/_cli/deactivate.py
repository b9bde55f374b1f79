"""`weighlock deactivate`: take the guard away from an environment."""

from __future__ import annotations

import click

from weighlock._cli._environment import environment_of
from weighlock.errors import GuardError
from weighlock.runtime import _site


@click.command()
@click.option("--python", type=click.Path(dir_okay=False), help="Of the environment; by default this one.")
def command(python: str | None) -> None:
    """Take the guard away from an environment.

    In an environment whose guard cannot start, call it as: WEIGHLOCK_MODE=off weighlock deactivate
    """
    environment = environment_of(python)
    try:
        found = _site.remove(environment.folder)
    except OSError as error:
        raise GuardError(f"cannot be removed: {error.strerror}", where=environment.folder) from error
    state = "is off" if found else "was not on"
    click.echo(f"the guard {state} for {environment.python}", err=True)
