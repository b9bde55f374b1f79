"""Which project a command of the lockfile works on: its policy and the place of its lockfile."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from weighlock import allowlist
from weighlock.files import read_lockfile
from weighlock.gates.load_settings import LOCKFILE, _nearest, _nearest_policy, _read_policy
from weighlock.lockfile import Lockfile
from weighlock.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A policy and a lockfile that belong together.

    Args:
        policy: From the nearest ``weighlock.toml`` or ``pyproject.toml``, else the defaults.
        lock: The lockfile, which need not exist.
    """

    policy: Policy
    lock: Path

    @property
    def folder(self) -> Path:
        """The folder to which the paths in the lockfile are relative."""
        return self.lock.parent

    @property
    def profile_names(self) -> frozenset[str]:
        """Every name that the enabled profiles approve."""
        return frozenset().union(*(allowlist.profile(name) for name in self.policy.profiles))

    def read(self, *, required: bool) -> Lockfile:
        """Read the lockfile.

        Args:
            required: A missing one is an error, and not an empty one.

        Raises:
            LockfileError: It is missing or broken.
        """
        if not required and not os.path.lexists(self.lock):
            return Lockfile()
        return read_lockfile(self.lock)


def find_project(environ: Mapping[str, str], lock: str | None = None, folder: str | None = None) -> Project:
    """Find the project of a folder, in the same way as the load gate does.

    Args:
        environ: ``WEIGHLOCK_POLICY`` and ``WEIGHLOCK_LOCK`` name files.
        lock: A lockfile that was named on the command line.
        folder: By default the current one.

    Raises:
        PolicyError: The policy cannot be read.
    """
    root = os.path.abspath(folder or environ.get("WEIGHLOCK_ROOT") or os.curdir)
    place = environ.get("WEIGHLOCK_POLICY") or _nearest_policy(root)
    policy = _read_policy(place) if place else Policy()
    beside = os.path.dirname(os.path.abspath(place)) if place else root
    lock = lock or environ.get("WEIGHLOCK_LOCK")
    if not lock and policy.lock:
        lock = os.path.join(beside, policy.lock)
    lock = lock or _nearest(root, LOCKFILE) or os.path.join(beside, LOCKFILE)
    return Project(policy=policy, lock=Path(os.path.abspath(lock)))
