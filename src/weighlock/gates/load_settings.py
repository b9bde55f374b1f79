"""Where the load gate finds the policy and the lockfile.

The lockfile is what ``WEIGHLOCK_LOCK`` names, else what the policy's ``lock`` names, else the nearest
``models.lock``. The policy is what ``WEIGHLOCK_POLICY`` names, else the nearest ``weighlock.toml`` or
``pyproject.toml`` with a ``[tool.weighlock]`` table. *Nearest* means: in the folder ``WEIGHLOCK_ROOT``, which is
the current folder of the first guarded process, or above it.
"""

from __future__ import annotations

import os
import stat
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weighlock.errors import GuardError, PolicyError
from weighlock.files import read_regular
from weighlock.gates.profiles import known_profiles
from weighlock.gates.signed_lockfile import read_signed
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
        return read_signed(settings.lock_path, evidence, settings.policy_path)
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
    policy, place = find_policy(environ)
    mode = environ.get("WEIGHLOCK_MODE") or policy.mode
    if mode not in MODES:
        raise GuardError(f"WEIGHLOCK_MODE must be one of {', '.join(MODES)}, not {mode!r}", hint="correct it")
    return Settings(mode=mode, policy=policy, policy_path=place, lock_path=find_lockfile(environ, policy, place))


def find_policy(environ: Mapping[str, str]) -> tuple[Policy, str | None]:
    """Return the policy that this environment asks for, and its path; ``None`` for the defaults.

    Raises:
        PolicyError: The policy cannot be read.
    """
    place = environ.get("WEIGHLOCK_POLICY") or _nearest_policy(root_of(environ))
    return (_read_policy(place), place) if place else (Policy(), None)


def find_lockfile(environ: Mapping[str, str], policy: Policy, policy_path: str | None) -> str | None:
    """Return where the lockfile must be, or ``None`` where nothing names one and there is none."""
    named = environ.get("WEIGHLOCK_LOCK")
    if not named and policy.lock and policy_path:
        named = os.path.join(os.path.dirname(os.path.abspath(policy_path)), policy.lock)
    return named or next(_existing(root_of(environ), LOCKFILE), None)


def project_of(settings: Settings, environ: Mapping[str, str]) -> str:
    """Return what identifies a project: the folders of its lockfile and its policy, or the root where it has neither.

    Programs that start in different folders of a project agree, and a policy that is added beside the lockfile changes
    nothing. Projects that share a lockfile differ by their policies, and those that share a policy by their lockfiles.
    """
    paths = [path for path in (settings.lock_path, settings.policy_path) if path]
    # The folders are followed, and the files are not: a folder that came with a link to someone's lockfile is another.
    folders = {os.path.realpath(os.path.dirname(path) or os.curdir) for path in paths}
    return "\0".join(sorted(folders)) or os.path.realpath(root_of(environ))


def root_of(environ: Mapping[str, str]) -> str:
    """Return the folder in which, and above which, the nearest files are looked for."""
    return os.path.abspath(environ.get("WEIGHLOCK_ROOT") or os.curdir)


def _nearest_policy(root: str) -> str | None:
    for path in _existing(root, "weighlock.toml", "pyproject.toml"):
        if os.path.basename(path) == "weighlock.toml" or _table(path) is not None:
            return path
    return None


def _existing(root: str, *names: str) -> Iterator[str]:
    """Yield the files of these names in a folder and above it, the nearest first."""
    for folder in _upwards(root):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not _could_be_planted(folder, path):
                yield path


def _could_be_planted(folder: str, path: str) -> bool:
    """Say whether a file is somebody else's in a folder that anybody may write to, such as ``/tmp``."""
    if not hasattr(os, "geteuid"):
        return False
    anybody = os.stat(folder).st_mode & stat.S_IWOTH
    return bool(anybody) and os.lstat(path).st_uid != os.geteuid()


def _upwards(folder: str) -> Iterator[str]:
    yield folder
    while (parent := os.path.dirname(folder)) != folder:
        folder = parent
        yield folder


def _read_policy(path: str) -> Policy:
    table = _table(path) or {}
    try:
        return Policy.from_dict(
            table,
            profiles=known_profiles() if "profiles" in table else (),
            checks=_known_checks() if "install" in table else (),
        )
    except PolicyError as error:
        error.where = f"{path}, {error.where}" if error.where else path
        raise


def _known_checks() -> frozenset[str]:
    from weighlock import checks

    return frozenset(name for family in checks.FAMILIES for name in checks.names(family))


def _table(path: str) -> dict[str, Any] | None:
    """Return ``[tool.weighlock]``, which in ``weighlock.toml`` may also be the whole document."""
    try:
        document = tomllib.loads(read_regular(path).decode())
    except OSError as error:
        hint = "it has to be a file that you may read"
        raise PolicyError(f"cannot be read: {error.strerror}", where=path, hint=hint) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PolicyError(f"not valid TOML: {error}", where=path, hint="correct it there") from error
    tool = document.get("tool")
    table = tool.get("weighlock") if isinstance(tool, dict) else None
    if table is None and os.path.basename(path) != "pyproject.toml" and "tool" not in document:
        return document
    if table is not None and not isinstance(table, dict):
        raise PolicyError("must be a table", where=f"{path}, tool.weighlock")
    return table
