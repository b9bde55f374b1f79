"""The start-up files that put the shim of pip into every interpreter of an environment.

If the shim itself cannot start there, pip cannot be imported either, and everything else works as before.
"""

from __future__ import annotations

import os

PTH = "00_weighlock_pip.pth"
START = "00_weighlock_pip.start"
MODULE = "_weighlock_pip.py"
NAMES = (PTH, START, MODULE)

# One line, compiled in every interpreter.
_CODE = """\
import sys
try:
    import _weighlock_pip
    _weighlock_pip.start_here()
except BaseException as error:
    sys.modules["pip._internal.commands"] = None
    if any("pip" in word for word in sys.orig_argv[:3]):
        message = "error: pip goes through weighlock here, which cannot start: %a\\nhint: %s\\n"
        sys.stderr.write(message % (error, {hint!a}))
"""

_RECORDED = """

def start_here() -> None:
    \"\"\"Put the shim in place as it was recorded.\"\"\"
    start({python!a}, {location!a}, {hint!a})
"""


def start_up_files(folder: str, python: str, location: str) -> dict[str, str]:
    """Return path and content of each start-up file.

    Args:
        folder: The environment's ``site-packages``.
        python: The interpreter that runs weighlock.
        location: The folder from which it imports it.
    """
    pth = os.path.join(folder, PTH)
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "_pip.py"), encoding="utf-8") as file:
        shim = file.read()
    hint = f"take it away with `weighlock deactivate --pip`, or delete {pth}"
    return {
        os.path.join(folder, MODULE): shim + _RECORDED.format(python=python, location=location, hint=hint),
        os.path.join(folder, START): f"{MODULE.removesuffix('.py')}:start_here\n",
        pth: f"import sys; exec({_CODE.format(hint=hint)!a}, {{}})\n",
    }
