"""`weighlock deactivate`: take the guard away from an environment."""

from __future__ import annotations

import click

from weighlock._cli._environment import environment_of
from weighlock.errors import GuardError
from weighlock.runtime import _pip_site, _site


@click.command()
@click.option("--python", type=click.Path(dir_okay=False), help="Of the environment; by default this one.")
@click.option("--pip", "shim", is_flag=True, help="Leave the guard, and let pip install be pip install again.")
def command(*, python: str | None, shim: bool) -> None:
    """Take the guard away from an environment, and the gate of pip with it.

    In an environment whose guard cannot start, call it as: WEIGHLOCK_MODE=off weighlock deactivate
    """
    environment = environment_of(python)
    try:
        found = None if shim else _site.remove(environment.folder)
        gate = _site.remove(environment.folder, _pip_site.NAMES)
    except OSError as error:
        raise GuardError(f"cannot be removed: {error.strerror}", where=environment.folder) from error
    for what, there in (("the guard", found), ("the gate of pip", gate if gate or shim else None)):
        if there is not None:
            state = "is off" if there else "was not on"
            click.echo(f"{what} {state} for {environment.python}", err=True)
