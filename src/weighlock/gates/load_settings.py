"""Where the load gate finds the policy and the lockfile.

The lockfile is what ``WEIGHLOCK_LOCK`` names, else what the policy's ``lock`` names, else the nearest
``models.lock``. The policy is what ``WEIGHLOCK_POLICY`` names, else the nearest ``weighlock.toml`` or
``pyproject.toml`` with a ``[tool.weighlock]`` table. *Nearest* means: in the folder ``WEIGHLOCK_ROOT``, which is
the current folder of the first guarded process, or above it. An organisation's policy binds all of it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.errors import GuardError
from weighlock.gates.policy_files import existing, nearest_policy, organisation_files, read_policy, root_of
from weighlock.gates.signed_lockfile import read_signed
from weighlock.policy import MODES, Policy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from weighlock.lockfile import Lockfile
    from weighlock.policy_layers import Layer

__all__ = [
    "LOCKFILE",
    "Settings",
    "find_lockfile",
    "find_policy",
    "find_settings",
    "project_of",
    "read_locked",
    "root_of",
]

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


def read_locked(settings: Settings, environ: Mapping[str, str]) -> Lockfile | None:
    """Return the lockfile that the settings ask for, or ``None`` where the policy does without one.

    Raises:
        LockfileError: The lockfile cannot be read.
        AdmissionError: It is not signed as the policy requires.
        WeighlockError: Whether it is signed cannot be decided.
        GuardError: There is no lockfile, and the policy does not do without one.
    """
    evidence = settings.policy.evidence
    if settings.lock_path:
        lockfile = read_signed(settings.lock_path, evidence, settings.policy_path)
        if settings.mode != "off" and organisation_files(environ):
            from weighlock.gates.organisation import require_code

            require_code(lockfile.models, settings.lock_path, environ)
        return lockfile
    if evidence.require_signature:  # whoever can remove a lockfile could else remove the requirement
        raise GuardError(
            f"there is no {LOCKFILE} in {root_of(environ)} or above it, and the policy requires a signed one",
            hint=f"restore it, or write it with `WEIGHLOCK_MODE=off weighlock lock MODEL`; "
            f"then `weighlock sign {LOCKFILE} --key FILE`",
        )
    if settings.mode == "enforce" and settings.policy.unlocked == "refuse":
        raise GuardError(
            f"there is no {LOCKFILE} in {root_of(environ)} or above it",
            hint="write one with `WEIGHLOCK_MODE=off weighlock lock MODEL`, "
            'or set `unlocked = "inspect"` in weighlock.toml',
        )
    return None


def find_settings(environ: Mapping[str, str]) -> Settings:
    """Return the mode and the policy that this environment asks for, and where they and the lockfile are.

    Raises:
        PolicyError: The policy cannot be read.
        GuardError: There is no such mode.
    """
    policy, place, organisations = _found(environ)
    mode = environ.get("WEIGHLOCK_MODE") or policy.mode
    if mode not in MODES:
        raise GuardError(f"WEIGHLOCK_MODE must be one of {', '.join(MODES)}, not {mode!r}", hint="correct it")
    if organisations:
        from weighlock.gates.organisation import require_mode

        require_mode(mode, organisations)
    return Settings(mode=mode, policy=policy, policy_path=place, lock_path=find_lockfile(environ, policy, place))


def find_policy(environ: Mapping[str, str]) -> tuple[Policy, str | None]:
    """Return the policy that this environment asks for, and the path of the project's; ``None`` where it has none.

    Raises:
        PolicyError: A policy cannot be read, or the project's loosens the organisation's.
        GuardError: The environment does.
    """
    policy, place, _ = _found(environ)
    return policy, place


def find_lockfile(environ: Mapping[str, str], policy: Policy, policy_path: str | None) -> str | None:
    """Return where the lockfile must be, or ``None`` where nothing names one and there is none."""
    named = environ.get("WEIGHLOCK_LOCK")
    if not named and policy.lock and (policy_path or os.path.isabs(policy.lock)):
        named = os.path.join(os.path.dirname(os.path.abspath(policy_path or os.curdir)), policy.lock)
    return named or next(existing(root_of(environ), LOCKFILE), None)


def project_of(settings: Settings, environ: Mapping[str, str]) -> str:
    """Return what identifies a project: the folders of its lockfile and its policy, or the root where it has neither.

    Programs that start in different folders of a project agree, and a policy that is added beside the lockfile changes
    nothing. Projects that share a lockfile differ by their policies, and those that share a policy by their lockfiles.
    """
    paths = [path for path in (settings.lock_path, settings.policy_path) if path]
    # The folders are followed, and the files are not: a folder that came with a link to someone's lockfile is another.
    folders = {os.path.realpath(os.path.dirname(path) or os.curdir) for path in paths}
    return "\0".join(sorted(folders)) or os.path.realpath(root_of(environ))


def _found(environ: Mapping[str, str]) -> tuple[Policy, str | None, Sequence[Layer]]:
    """Return the policy, the path of the project's, and the organisations'."""
    if organisation_files(environ):
        from weighlock.gates.organisation import organised_policy

        return organised_policy(environ)
    place = environ.get("WEIGHLOCK_POLICY") or nearest_policy(root_of(environ))
    return (read_policy(place) if place else Policy()), place, ()
