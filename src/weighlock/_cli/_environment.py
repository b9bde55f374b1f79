"""The Python environment that a command is about, asked from its own interpreter."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.errors import GuardError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_OLDEST = (3, 11)

_QUESTION = (
    "import sys, sysconfig; print(*sys.version_info[:2], sysconfig.get_path('purelib'), "
    "int(sys.prefix != sys.base_prefix), sep='\\n')"
)

_IS_GUARDED = "import sys; guard = sys.modules.get('weighlock.runtime'); sys.exit(0 if guard and guard.active() else 3)"

_HAS_SHIM = """\
import sys
try:
    from pip._internal.commands import create_command
except ModuleNotFoundError as error:
    sys.exit("it has no pip" if error.name == "pip" else str(error))
sys.exit(0 if hasattr(create_command, "by_weighlock") else "its pip does not go through it")
"""


@dataclass(frozen=True, slots=True)
class Environment:
    """A Python environment.

    Args:
        python: Its interpreter.
        folder: Its ``site-packages``.
        virtual: It is a virtual environment, which no tool of the system runs in.
    """

    python: str
    folder: str
    virtual: bool


def environment_of(python: str | None) -> Environment:
    """Ask an interpreter for its environment.

    Raises:
        UsageError: It cannot be asked.
        GuardError: Its Python is too old for the guard.
    """
    python = python or sys.executable
    answer = ask(python, "-I", "-c", _QUESTION, environ=_environ("off"))
    lines = answer.stdout.splitlines()
    if answer.returncode or len(lines) != 4:
        hint = "give an interpreter, such as venv/bin/python"
        raise UsageError("does not answer like a Python interpreter", where=python, hint=hint)
    if (int(lines[0]), int(lines[1])) < _OLDEST:
        raise GuardError(f"Python {lines[0]}.{lines[1]} is too old, the guard needs 3.11", where=python)
    return Environment(python, lines[2], virtual=lines[3] == "1")


def active_python() -> str:
    """Return the interpreter of the environment that is active, as a person sees it; else our own."""
    active = os.environ.get("VIRTUAL_ENV")
    return next(iter(_inside(active) if active else ()), sys.executable)


def _inside(folder: str) -> list[str]:
    """Return the interpreters that an environment has."""
    names = ("Scripts/python.exe",) if os.name == "nt" else ("bin/python", "bin/python3")
    return [path for name in names if os.path.exists(path := os.path.join(folder, name))]


def interpreter(named: str | None) -> str:
    """Return the path of the interpreter that a person named, which holds in every folder; else of the active one."""
    if named is None:
        return active_python()
    if os.path.isdir(named):  # pip takes the folder of an environment, too
        return next(iter(_inside(os.path.abspath(named))), os.path.abspath(named))
    found = None if os.path.dirname(named) else shutil.which(named)
    return os.path.abspath(found or named)  # a link stays one: it is what makes an environment


def is_guarded(environment: Environment) -> bool:
    """Say whether the guard starts in a new interpreter of an environment, wherever its lockfile may be."""
    return ask(environment.python, "-I", "-c", _IS_GUARDED, environ=_environ("warn")).returncode == 0


def problem_of_shim(python: str) -> str | None:
    """Say why pip does not go through weighlock in a new interpreter of an environment, or `None` where it does."""
    answer = ask(python, "-I", "-c", _HAS_SHIM, environ=_environ("off"))
    lines = [line for line in answer.stderr.splitlines() if line.strip()]
    return (lines[-1] if lines else f"it ended with status {answer.returncode}") if answer.returncode else None


def ask(
    python: str, *arguments: str, environ: Mapping[str, str], timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run an interpreter and return what it says.

    Args:
        python: Its path.
        arguments: For it.
        environ: Its environment.
        timeout: Seconds.

    Raises:
        UsageError: It cannot be run, or does not end.
    """
    try:
        return subprocess.run(  # noqa: S603 - the interpreter that the user named
            [python, *arguments], env=environ, capture_output=True, text=True, timeout=timeout, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        hint = "give an interpreter, such as venv/bin/python"
        raise UsageError(f"cannot be run: {error}", where=python, hint=hint) from error


def _environ(mode: str) -> dict[str, str]:
    """Return this environment with one setting of ours, the mode."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("WEIGHLOCK_")}
    return {**others, "WEIGHLOCK_MODE": mode}
