"""The environment that is installed into, as far as it can be known without asking its pip."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache

from packaging.markers import default_environment

from weighlock.errors import UsageError

_SECONDS = 60
_MARKERS = """
import json, os, platform, sys
info = sys.implementation.version
version = "{0.major}.{0.minor}.{0.micro}".format(info)
if info.releaselevel != "final":
    version += info.releaselevel[0] + str(info.serial)
json.dump({
    "implementation_name": sys.implementation.name, "implementation_version": version, "os_name": os.name,
    "platform_machine": platform.machine(), "platform_release": platform.release(),
    "platform_system": platform.system(), "platform_version": platform.version(),
    "python_full_version": platform.python_version(), "sys_platform": sys.platform,
    "platform_python_implementation": platform.python_implementation(),
    "python_version": ".".join(platform.python_version_tuple()[:2]),
}, sys.stdout)
"""


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
    answer = _asked(python, "import sys; sys.stdout.write(sys.prefix)")
    if not os.path.isabs(answer):
        raise UsageError("is not an interpreter", where=python)
    return answer


@cache
def markers(python: str) -> dict[str, str]:
    """Return what the markers of requirements (PEP 508) are about, for an interpreter.

    Raises:
        UsageError: It is no interpreter.

    Source:
        The specification of dependency specifiers, "environment markers".
    """
    if os.path.abspath(python) == os.path.abspath(sys.executable):
        return {key: str(value) for key, value in default_environment().items()}
    try:
        answer = json.loads(_asked(python, _MARKERS))
    except ValueError:
        raise UsageError("is not an interpreter", where=python) from None
    return {str(key): str(value) for key, value in answer.items()}


def _asked(python: str, program: str) -> str:
    command = [python, "-I", "-X", "utf8", "-c", program]
    hint = "name the interpreter of an environment, such as .venv/bin/python"
    try:
        done = subprocess.run(  # noqa: S603 - the interpreter that the user named
            command,
            env={**os.environ, "WEIGHLOCK_MODE": "off"},  # where the guard of models is on, it wants a lockfile
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        raise UsageError("is not an interpreter", where=python, hint=hint) from None
    if done.returncode:
        raise UsageError("is not an interpreter", where=python, hint=hint)
    return done.stdout.decode(errors="replace")
