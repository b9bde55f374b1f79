"""`weighlock activate`: switch the guard on for every interpreter of an environment."""

from __future__ import annotations

import os
import sys
from shlex import quote

import click

import weighlock
from weighlock._cli._environment import Environment, environment_of, is_guarded, problem_of_shim
from weighlock.errors import GuardError, UsageError
from weighlock.files import read_lockfile
from weighlock.runtime import MODES, _pip_site, _site

_LOCATION = os.path.dirname(os.path.dirname(os.path.abspath(weighlock.__file__)))


@click.command()
@click.option("--python", type=click.Path(dir_okay=False), help="Of the environment; by default this one.")
@click.option(
    "--lockfile", "lock", type=click.Path(dir_okay=False), help="The lockfile; by default the nearest to each program."
)
@click.option(
    "--policy", type=click.Path(dir_okay=False), help="The policy file; by default the nearest to each program."
)
@click.option("--mode", type=click.Choice(MODES), help="What a refusal does; by default the policy says.")
@click.option("--pip", "shim", is_flag=True, help="Send pip install through weighlock install, and guard no models.")
@click.option("--system", is_flag=True, help="Also outside of a virtual environment.")
def command(
    *, python: str | None, lock: str | None, policy: str | None, mode: str | None, shim: bool, system: bool
) -> None:
    """Switch the guard on for every interpreter of an environment.

    Outside of a virtual environment, that is every program of the system that runs on its Python; it needs --system.
    WEIGHLOCK_MODE, WEIGHLOCK_LOCK and WEIGHLOCK_POLICY go before what is recorded here.

    With --pip it is the gate of packages: pip install, under every name, becomes weighlock install. Commands of pip
    that install nothing work as before; pip download, wheel and lock, which may run code of packages, are refused.
    """
    environment = environment_of(python)
    if not environment.virtual and not system:
        raise UsageError(
            "is not in a virtual environment, so the guard would be on for every program that it runs",
            where=environment.python,
            hint="name the interpreter of one, such as --python venv/bin/python, or add --system",
        )
    if shim:
        _activate_pip(environment, python, others=(lock, policy, mode))
        return
    if lock:
        _require_readable(lock, policy)
    if mode:
        _require_permitted(mode)
    files = _site.start_up_files(
        environment.folder,
        _LOCATION,
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


def _require_readable(lock: str, policy: str | None) -> None:
    """Demand that programs will be able to read the lockfile, signed if the recorded policy requires that."""
    if policy is None:
        read_lockfile(lock)
        return
    from weighlock.gates.load_settings import find_policy
    from weighlock.gates.signed_lockfile import read_signed

    bound = {name: os.environ[name] for name in ("WEIGHLOCK_ORG_POLICY",) if name in os.environ}
    found, place = find_policy({"WEIGHLOCK_POLICY": policy, **bound})
    read_signed(lock, found.evidence, place)


def _require_permitted(mode: str) -> None:
    """Demand a mode with which programs will be able to load something, whatever an organisation requires."""
    from weighlock.gates.organisation import organisations, require_mode

    require_mode(mode, organisations(os.environ))


def _activate_pip(environment: Environment, python: str | None, others: tuple[str | None, ...]) -> None:
    """Put the shim of pip into an environment, and see that it is there."""
    if any(others):
        raise UsageError("--pip goes with none of --lockfile, --policy and --mode", hint="call activate twice")
    try:
        _site.write(_pip_site.start_up_files(environment.folder, sys.executable, _LOCATION))
    except OSError as error:
        _site.remove(environment.folder, _pip_site.NAMES)
        raise GuardError(f"cannot be written: {error.strerror}", where=environment.folder) from error
    problem = problem_of_shim(environment.python)
    if problem:
        _site.remove(environment.folder, _pip_site.NAMES)
        raise GuardError(f"pip cannot be sent through weighlock: {problem}", where=environment.python)
    click.echo(f"pip install of {environment.python} is weighlock install now", err=True)
    click.echo(f"undo: weighlock deactivate --pip{f' --python {quote(python)}' if python else ''}", err=True)
