"""`weighlock run`: Python under the guard, child processes included."""

from __future__ import annotations

import os
import subprocess
import sys

import click

from weighlock.errors import UsageError
from weighlock.runtime import MODES, prepare


class _PythonCommand(click.Command):
    """Takes its own options up to ``SCRIPT`` or ``-m MODULE``; all that follows belongs to the program."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Split the arguments where Python itself would."""
        at = 0
        while at < len(args) and args[at].startswith("--") and args[at] != "--":
            at += 1 if "=" in args[at] or args[at] == "--help" else 2
        ours, program = args[:at], args[at:]
        if program[:1] == ["-h"]:
            ours, program = ["--help"], []
        if program[:1] == ["--"]:
            program = program[1:]
        elif program and program[0].startswith("-") and program[0] not in {"-", "-m"}:
            raise click.UsageError(f"No such option: {program[0]}", ctx)
        rest = super().parse_args(ctx, ours)
        if not program or program == ["-m"]:
            raise click.UsageError("Say which SCRIPT or -m MODULE to run", ctx)
        ctx.params["program"] = program
        return rest


@click.command(cls=_PythonCommand, options_metavar="[OPTIONS]")
@click.option("--mode", type=click.Choice(MODES), help="What a refusal does; by default the policy says.")
@click.option(
    "--lockfile", "lock", type=click.Path(dir_okay=False), help="The lockfile; by default the nearest models.lock."
)
@click.option("--policy", type=click.Path(dir_okay=False), help="The policy file; by default the nearest one.")
@click.option("--python", type=click.Path(dir_okay=False), help="The interpreter; by default weighlock's own.")
def command(mode: str | None, lock: str | None, policy: str | None, python: str | None, program: list[str]) -> int:
    """Run Python under the guard, child processes included.

    \b
    weighlock run [OPTIONS] SCRIPT [ARGUMENTS]...
    weighlock run [OPTIONS] -m MODULE [ARGUMENTS]...

    The program sees the arguments, exit codes and signals of plain Python.
    """
    prepare(mode=mode, lock=lock and os.path.abspath(lock), policy=policy and os.path.abspath(policy))
    interpreter = python or sys.executable
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        if os.name != "nt":  # there, exec would return to the shell before the program has ended
            os.execvp(interpreter, [interpreter, *program])  # noqa: S606 - what the user asked for
        return subprocess.run([interpreter, *program], check=False).returncode  # noqa: S603 - what the user asked for
    except OSError as error:
        hint = "give an interpreter, such as venv/bin/python"
        raise UsageError(f"cannot be run: {error.strerror}", where=interpreter, hint=hint) from error
