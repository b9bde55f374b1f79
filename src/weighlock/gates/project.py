"""Which project a command of the lockfile works on: its policy and the place of its lockfile."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from weighlock.files import read_lockfile
from weighlock.gates.deciding import Decider
from weighlock.gates.load_settings import LOCKFILE, find_lockfile, find_policy, root_of
from weighlock.gates.profiles import names_of
from weighlock.gates.quarantined import open_quarantine
from weighlock.gates.recording import Recorder
from weighlock.gates.signed_lockfile import read_signed
from weighlock.lockfile import Lockfile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from weighlock.gates.quarantined import Quarantine
    from weighlock.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A policy and a lockfile that belong together.

    Args:
        policy: From the nearest ``weighlock.toml`` or ``pyproject.toml``, else the defaults.
        lock: The lockfile, which need not exist.
        policy_path: Where the policy was read; ``None`` for the defaults.
        recorder: Records verdicts.
    """

    policy: Policy
    lock: Path
    policy_path: str | None = None
    recorder: Recorder | None = None

    @property
    def folder(self) -> Path:
        """The folder to which the paths in the lockfile are relative."""
        return self.lock.parent

    @property
    def profile_names(self) -> frozenset[str]:
        """Every name that the enabled profiles approve."""
        return names_of(self.policy.profiles)

    def decider(self, gate: str) -> Decider:
        """Return what decides at a gate by this project's policy."""
        beside = os.path.dirname(os.path.abspath(self.policy_path)) if self.policy_path else None
        return Decider(gate, self.policy, beside=beside, recorder=self.recorder, quarantine=self.quarantine())

    def quarantine(self) -> Quarantine | None:
        """Return the quarantine that holds for this project; none in a rehearsal, which records nothing either.

        Raises:
            WeighlockError: The policy names a list that can be nowhere.
        """
        if self.recorder is None:
            return None
        return open_quarantine(self.recorder.environ, self.policy, self.policy_path)

    def record_lockfile(self, gate: str, lockfile: Lockfile) -> None:
        """Record the lockfile that a gate wrote.

        Raises:
            LedgerError: It cannot be recorded, and the policy requires that.
        """
        if lockfile.digest is not None:
            self.decider(gate).record_document(str(self.lock), lockfile.digest, "written")

    def read(self, *, required: bool) -> Lockfile:
        """Read the lockfile to act on it, signed as the policy requires.

        Args:
            required: A missing one is an error, and not an empty one.

        Raises:
            LockfileError: It is missing or broken.
            AdmissionError: It is not signed as the policy requires.
            WeighlockError: Whether it is signed cannot be decided.
        """
        if not required and not os.path.lexists(self.lock):
            return Lockfile()
        return read_signed(self.lock, self.policy.evidence, self.policy_path)

    def unsafe_read(self, *, required: bool = False) -> Lockfile:
        """Read the lockfile to change it, whoever signed it.

        Args:
            required: A missing one is an error, and not an empty one.

        Raises:
            LockfileError: It is missing or broken.
        """
        if not required and not os.path.lexists(self.lock):
            return Lockfile()
        return read_lockfile(self.lock)


def find_project(environ: Mapping[str, str], lock: str | None = None) -> Project:
    """Find the project of the current folder, in the same way as the load gate does.

    Args:
        environ: As for `find_settings`.
        lock: A lockfile that was named on the command line.

    Raises:
        PolicyError: The policy cannot be read.
    """
    policy, place = find_policy(environ)
    beside = os.path.dirname(os.path.abspath(place)) if place else root_of(environ)
    lock = lock or find_lockfile(environ, policy, place) or os.path.join(beside, LOCKFILE)
    recorder = Recorder(environ, policy.evidence.ledger, beside)
    return Project(policy=policy, lock=Path(os.path.abspath(lock)), policy_path=place, recorder=recorder)
