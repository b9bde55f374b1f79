"""The environment that is installed into, as far as it can be known without asking its pip."""

from __future__ import annotations

import os
import subprocess
import sys

from weighlock.errors import UsageError

_SECONDS = 60


def prefix(python: str) -> str:
    """Return ``sys.prefix`` of an interpreter.

    Raises:
        UsageError: It is no interpreter.
    """
    if os.path.abspath(python) == os.path.abspath(sys.executable):
        return sys.prefix
    folder = os.path.dirname(os.path.dirname(os.path.abspath(python)))
    if os.path.isfile(os.path.join(folder, "pyvenv.cfg")) and os.access(python, os.X_OK):
        return folder
    return _asked(python)


def _asked(python: str) -> str:
    command = [python, "-I", "-X", "utf8", "-c", "import sys; sys.stdout.write(sys.prefix)"]
    hint = "name the interpreter of an environment, such as .venv/bin/python"
    try:
        done = subprocess.run(  # noqa: S603 - the interpreter that the user named
            command, capture_output=True, stdin=subprocess.DEVNULL, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        raise UsageError("is not an interpreter", where=python, hint=hint) from None
    answer = done.stdout.decode(errors="replace")
    if done.returncode or not os.path.isabs(answer):
        raise UsageError("is not an interpreter", where=python, hint=hint)
    return answer
