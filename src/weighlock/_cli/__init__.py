"""The command line: one subcommand per file in this folder, each with a `command`.

A file is imported only when its subcommand is called or described, so that a small command starts
quickly. Only this room catches `WeighlockError`.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

import click

import weighlock
from weighlock.errors import LoadRefused, WeighlockError

if TYPE_CHECKING:
    from collections.abc import Sequence

_UNDECIDED = 2
_INTERRUPTED = 130  # 128 + SIGINT, as shells say it
_NO_READER = 141  # 128 + SIGPIPE


class _Commands(click.Group):
    """The subcommands, found by listing this folder: there is no list to edit."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the names of all subcommands without importing one."""
        from pkgutil import iter_modules

        names = (module.name for module in iter_modules(__path__) if not module.name.startswith("_"))
        return sorted(name.replace("_", "-") for name in names)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the one subcommand that is called."""
        module = cmd_name.replace("-", "_")
        if "_" in cmd_name or not module.isidentifier() or module.startswith("_"):
            return None
        name = f"{__name__}.{module}"
        try:
            command = import_module(name).command
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            return None
        if not isinstance(command, click.Command):
            raise TypeError(f"{name}.command is not a click command")
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(weighlock.__version__, prog_name="weighlock")
def commands() -> None:
    """Judge packages before they are installed and model files before they are loaded, and admit the judged bytes.

    \b
    Exit codes: 0 admitted, 1 refused by policy, 2 could not decide.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: Without the program's name; by default those of the process.

    Returns:
        The exit code: 0 admitted, 1 refused by policy, 2 could not decide.
    """
    code = _explained(list(sys.argv[1:] if arguments is None else arguments))
    sealed = _sealed()
    return code or sealed


def _explained(arguments: list[str]) -> int:
    """Run one command, and say what went wrong in a line."""
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        _abandon_stdout()
        return _NO_READER
    except KeyboardInterrupt:
        _say("error: interrupted")
        return _INTERRUPTED
    except WeighlockError as error:
        _explain(str(error), error.hint)
        return error.exit_code
    except LoadRefused as refusal:
        for line in str(refusal).splitlines():
            _say(line)
        return refusal.exit_code
    except Exception as error:  # noqa: BLE001 - the last door: a person gets a line, not a traceback
        return _unexpected(error)
    return code


def _sealed() -> int:
    """Seal what the command recorded, and say where that failed; it counts where a policy requires the ledger."""
    recording = sys.modules.get("weighlock.gates.recording")
    used = recording.take_used() if recording is not None else ()
    code = 0
    for recorder in {(recorder.place, recorder.required): recorder for recorder in used}.values():
        from datetime import UTC, datetime

        from weighlock.gates.ledger import seal

        try:
            seal(recorder.place, recorder.environ, datetime.now(UTC))
        except (WeighlockError, OSError) as error:
            _say(f"warning: what was decided is recorded and not sealed: {error}")
            code = max(code, _UNDECIDED if recorder.required else 0)
    return code


def _run(arguments: list[str]) -> int:
    """Run one command under click, but keep the exit codes and the messages in our hands."""
    try:
        with commands.make_context("weighlock", arguments) as context:
            answer = commands.invoke(context)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.Abort:
        raise KeyboardInterrupt from None
    except click.ClickException as error:
        _misused(error, arguments)
        return _UNDECIDED
    return answer if isinstance(answer, int) else 0


def _misused(error: click.ClickException, arguments: Sequence[str]) -> None:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return
    context = getattr(error, "ctx", None)
    command = context.command_path if context else _command_of(arguments)
    _explain(error.format_message().rstrip("."), f"`{command} --help` lists what it takes")


def _command_of(arguments: Sequence[str]) -> str:
    """Return the command that arguments begin with, for an error of click that does not know it."""
    names = ["weighlock"]
    command: click.Group = commands
    for argument in arguments:
        found = command.get_command(click.Context(command), argument)
        names += [argument] if found else []
        if not isinstance(found, click.Group):
            break
        command = found
    return " ".join(names)


def _unexpected(error: Exception) -> int:
    if os.environ.get("WEIGHLOCK_TRACEBACK"):
        import traceback

        traceback.print_exception(error)
        return _UNDECIDED
    if isinstance(error, OSError) and error.strerror:
        where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
        message = f"{where}{error.strerror}"
    else:
        message = f"unexpected {type(error).__name__}: {error}".rstrip(": ")
    _explain(message, "set WEIGHLOCK_TRACEBACK=1 to see where it happened")
    return _UNDECIDED


def _explain(message: str, hint: str | None) -> None:
    _say(f"error: {message}")
    if hint:
        _say(f"hint: {hint}")


def _say(line: str) -> None:
    from weighlock.output.escape import printable

    click.echo(printable(line), err=True)


def _abandon_stdout() -> None:
    """Point standard output at nothing, so that the interpreter's last flush has no one to complain about."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    os.dup2(descriptor, sys.stdout.fileno())
    os.close(descriptor)
