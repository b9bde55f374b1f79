"""The start-up files that switch the guard on for every interpreter of an environment.

``.pth`` files run in every interpreter, also under ``-E`` and ``-I``. Python prints an error in one and goes on
unguarded, so the line itself ends the process, also when weighlock is gone. Since PEP 829 a ``.start`` file takes
the place of such lines; it names a function, and that lies in a module of its own, for the same reason.
"""

from __future__ import annotations

import os

import weighlock

PTH = "00_weighlock.pth"
"""Start-up files run in the order of their names, and the guard must be first."""

START = "00_weighlock.start"
MODULE = "_weighlock_guard.py"

# Compiled in every interpreter, hence short.
_CODE = """\
import os, sys
try:
    sys.path.insert(0, {location!a})
    try:
        from weighlock.runtime import start
    finally:
        sys.path.remove({location!a})
    start(mode={mode!a}, lock={lock!a}, policy={policy!a})
except BaseException as error:
    try:
        os.write(2, b"weighlock: the guard cannot start: %a\\nhint: %a\\n" % (error, {hint!a}))
    finally:
        os._exit(2)
"""

_MODULE = """\
\"\"\"Switches the weighlock guard on; written by `weighlock activate`.\"\"\"


def start():
    import os
    if not ({switched_off}):
        exec({code!a}, {{}})
"""


def start_up_files(
    folder: str, location: str, *, mode: str | None, lock: str | None, policy: str | None
) -> dict[str, str]:
    """Return path and content of each start-up file.

    Args:
        folder: The environment's ``site-packages``.
        location: The folder from which `weighlock` is imported there.
        mode: Recorded; the environment variable goes before it.
        lock: Absolute path, recorded likewise.
        policy: Absolute path, recorded likewise.
    """
    pth = os.path.join(folder, PTH)
    hint = f"install weighlock again in {location}, or delete {pth}"
    code = _CODE.format(location=location, mode=mode, lock=lock, policy=policy, hint=hint)
    # Where an organisation may have a policy, whether the guard may be off is for the guard to find out.
    bound = f'"WEIGHLOCK_ORG_POLICY" in os.environ or os.path.lexists({weighlock.SITE_FOLDER!a})'
    switched_off = f'(os.environ.get("WEIGHLOCK_MODE") or {mode!a}) == "off" and not ({bound})'
    return {
        os.path.join(folder, MODULE): _MODULE.format(switched_off=switched_off, code=code),
        os.path.join(folder, START): f"{MODULE.removesuffix('.py')}:start\n",
        pth: f"import os; {switched_off} or exec({code!a}, {{}})\n",
    }


def write(files: dict[str, str]) -> None:
    """Write the start-up files, each atomically, the one that takes effect last.

    Raises:
        OSError: The folder cannot be written.
    """
    for path, content in files.items():
        temporary = f"{path}.{os.getpid()}.new"
        try:
            with open(temporary, "x", encoding="utf-8") as file:
                file.write(content)
            os.replace(temporary, path)
        except BaseException:
            if os.path.exists(temporary):
                os.unlink(temporary)
            raise


def remove(folder: str, names: tuple[str, ...] = (PTH, START, MODULE)) -> bool:
    """Remove the start-up files.

    Args:
        folder: The environment's ``site-packages``.
        names: Of the files.

    Returns:
        Whether there were any.

    Raises:
        OSError: One of them cannot be removed.
    """
    found = [path for name in names if os.path.lexists(path := os.path.join(folder, name))]
    for path in found:
        os.unlink(path)
        if path.endswith(".py"):
            _remove_compiled(path)
    return bool(found)


def _remove_compiled(path: str) -> None:
    folder, name = os.path.join(os.path.dirname(path), "__pycache__"), os.path.basename(path)[:-2]
    if os.path.isdir(folder):
        left = [other for other in os.listdir(folder) if not other.startswith(name)]
        for other in set(os.listdir(folder)).difference(left):
            os.unlink(os.path.join(folder, other))
        if not left:
            os.rmdir(folder)
