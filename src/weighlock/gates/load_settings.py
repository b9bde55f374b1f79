"""Where the load gate finds the policy and the lockfile.

The lockfile is what ``WEIGHLOCK_LOCK`` names, else what the policy's ``lock`` names, else the nearest
``models.lock``. The policy is what ``WEIGHLOCK_POLICY`` names, else the nearest ``weighlock.toml`` or
``pyproject.toml`` with a ``[tool.weighlock]`` table. *Nearest* means: in the folder ``WEIGHLOCK_ROOT``, which is
the current folder of the first guarded process, or above it.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weighlock.errors import GuardError, PolicyError
from weighlock.files import read_lockfile
from weighlock.policy import MODES, Policy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from weighlock.lockfile import Lockfile

LOCKFILE = "models.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an environment asks for.

    Args:
        mode: ``enforce``, ``warn`` or ``off``.
        policy: What is required.
        policy_path: Where it was read, or ``None`` for the defaults.
        lock_path: Where the lockfile must be, or ``None`` where there is none.
    """

    mode: str
    policy: Policy
    policy_path: str | None
    lock_path: str | None


def load_settings(environ: Mapping[str, str]) -> tuple[str, Policy, Lockfile | None]:
    """Return the mode, the policy and the lockfile that this environment asks for.

    Raises:
        PolicyError: The policy cannot be read.
        LockfileError: The lockfile cannot be read.
        GuardError: There is no lockfile, and the policy does not do without one.
    """
    settings = find_settings(environ)
    if settings.lock_path:
        return settings.mode, settings.policy, read_lockfile(settings.lock_path)
    if settings.mode == "enforce" and settings.policy.unlocked == "refuse":
        raise GuardError(
            f"there is no {LOCKFILE} in {_root(environ)} or above it",
            hint="write one with `WEIGHLOCK_MODE=off weighlock lock MODEL`, "
            'or set `unlocked = "inspect"` in weighlock.toml, '
            "or take the guard away with `WEIGHLOCK_MODE=off weighlock deactivate`",
        )
    return settings.mode, settings.policy, None


def find_settings(environ: Mapping[str, str]) -> Settings:
    """Return the mode and the policy that this environment asks for, and where they and the lockfile are.

    Raises:
        PolicyError: The policy cannot be read.
        GuardError: There is no such mode.
    """
    root = _root(environ)
    place = environ.get("WEIGHLOCK_POLICY") or _nearest_policy(root)
    policy = _read_policy(place) if place else Policy()
    mode = environ.get("WEIGHLOCK_MODE") or policy.mode
    if mode not in MODES:
        raise GuardError(f"WEIGHLOCK_MODE must be one of {', '.join(MODES)}, not {mode!r}")
    lock = environ.get("WEIGHLOCK_LOCK")
    if not lock and policy.lock and place:
        lock = os.path.join(os.path.dirname(os.path.abspath(place)), policy.lock)
    return Settings(mode=mode, policy=policy, policy_path=place, lock_path=lock or _nearest(root, LOCKFILE))


def _root(environ: Mapping[str, str]) -> str:
    return os.path.abspath(environ.get("WEIGHLOCK_ROOT") or os.curdir)


def _nearest_policy(root: str) -> str | None:
    for folder in _upwards(root):
        path = os.path.join(folder, "weighlock.toml")
        if os.path.isfile(path):
            return path
        path = os.path.join(folder, "pyproject.toml")
        if os.path.isfile(path) and _table(path) is not None:
            return path
    return None


def _nearest(root: str, name: str) -> str | None:
    return next((path for folder in _upwards(root) if os.path.isfile(path := os.path.join(folder, name))), None)


def _upwards(folder: str) -> Iterator[str]:
    yield folder
    while (parent := os.path.dirname(folder)) != folder:
        folder = parent
        yield folder


def _read_policy(path: str) -> Policy:
    table = _table(path)
    try:
        table = {} if table is None else table
        return Policy.from_dict(table, profiles=_profiles() if isinstance(table, dict) and "profiles" in table else ())
    except PolicyError as error:
        error.where = f"{path}, {error.where}" if error.where else path
        raise


def _table(path: str) -> dict[str, Any] | None:
    """Return ``[tool.weighlock]``, which in ``weighlock.toml`` may also be the whole document."""
    try:
        with open(path, "rb") as file:
            document = tomllib.load(file)
    except OSError as error:
        raise PolicyError(f"cannot be read: {error.strerror}", where=path) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PolicyError(f"not valid TOML: {error}", where=path) from error
    tool = document.get("tool")
    table = tool.get("weighlock") if isinstance(tool, dict) else None
    if table is None and os.path.basename(path) != "pyproject.toml" and "tool" not in document:
        return document
    return table


def _profiles() -> tuple[str, ...]:
    # Only a policy that names profiles pays for the allowlist at its first load.
    from weighlock.allowlist import PROFILES

    return PROFILES
