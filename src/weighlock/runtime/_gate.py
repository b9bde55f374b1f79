"""The gate of this process: opened on first use, and asked by everything else in `weighlock.runtime`.

Nothing of the engine is imported before the first guarded load. The policy and the lockfile are read once in a
process: a file that changes under a running program does not change what that program may load.
"""

from __future__ import annotations

import os
from _thread import RLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from weighlock.gates.load import LoadGate
    from weighlock.lockfile import Lockfile

_mutex = RLock()
_opened: LoadGate | None = None


def gate() -> LoadGate:
    """Return the gate of this process, opened on first use.

    Raises:
        LoadRefused: The policy or the lockfile cannot be read, so nothing may be loaded.
    """
    if _opened is not None:
        return _opened
    from weighlock.errors import WeighlockError
    from weighlock.gates.load_decisions import unable

    try:
        return _open()
    except WeighlockError as error:
        raise unable(error) from error


def require_lockfile() -> None:
    """Read the policy now, because no lockfile was found where one is looked for first.

    Raises:
        WeighlockError: There is no lockfile, and the policy does not do without one.
    """
    _open()


def require_mode() -> None:
    """Read the organisation's policy now, because somebody asks for less than a guard that enforces.

    Raises:
        WeighlockError: The organisation requires more.
    """
    from weighlock.gates.load_settings import find_settings

    find_settings(os.environ)


def forget() -> None:
    """Drop the gate, so that a guard that is installed again reads policy and lockfile again."""
    global _opened  # noqa: PLW0603 - one gate in a process
    if _opened is not None:
        _opened.close()
    _opened = None


def lockfile() -> Lockfile | None:
    """Return the lockfile of this process, or ``None`` where there is none and the policy allows that."""
    return gate().lockfile


def judging() -> bool:
    """Say whether loads are judged: the mode is ``enforce`` or ``warn``."""
    return gate().mode != "off"


def seals() -> bool:
    """Say whether loads are judged and made from sealed copies."""
    return judging() and gate().policy.verify == "sealed"


def records_saves() -> bool:
    """Say whether what this program saves is recorded; where no load can be judged, nothing is."""
    from weighlock.errors import LoadRefused

    try:
        return gate().records_saves
    except LoadRefused:
        return False


def record_save(size: int, sha256: str) -> None:
    """Record bytes that a save function of this program serialised."""
    gate().record_save(size, sha256)


def refuse(label: str, why: str, remedy: str | None = None) -> NoReturn:
    """Refuse a load for a reason that no mode can overlook.

    Raises:
        LoadRefused: Always.
    """
    gate().refuse_always(label, "the load", [("guard", why)], remedy)


def _open() -> LoadGate:
    global _opened  # noqa: PLW0603 - one gate in a process
    from weighlock.gates.load import open_gate

    with _mutex:
        if _opened is None:
            _opened = open_gate(os.environ)
        return _opened


def _reset_after_fork() -> None:
    """Give a forked child a lock of its own: another thread of the parent may have held the old one."""
    global _mutex  # noqa: PLW0603 - see the docstring
    _mutex = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)
