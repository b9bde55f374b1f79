"""What is in the wheels of one installation: all of them are examined, in parallel, beside what was admitted before."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from weighlock import checks
from weighlock.finding import Outcome
from weighlock.formats.wheel_profile import ReleaseChange
from weighlock.gates.examine import WheelJob, examine_wheels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from weighlock.artifact import PackageFile
    from weighlock.finding import Inspection
    from weighlock.formats.wheel_profile import WheelProfile
    from weighlock.gates.install import Fetched
    from weighlock.gates.release_memory import ReleaseMemory


def inspect_all(fetched: Sequence[Fetched], owners: Mapping[str, str]) -> list[Inspection]:
    """Return the inspection of each wheel, in their order.

    Args:
        fetched: Wheels in quarantine.
        owners: Which distribution owns each file of the environment.
    """
    return Contents(owners)(fetched)


class Contents:
    """Inspects the wheels of one installation, and remembers what the admitted ones are made of.

    Args:
        owners: Which distribution owns each file of the environment.
        memory: What was admitted on this machine before; without one, nothing is compared.
        progress: Called with how many pieces of work are done and how many there are.
    """

    def __init__(
        self,
        owners: Mapping[str, str],
        memory: ReleaseMemory | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self._owners = owners
        self._memory = memory
        self._progress = progress
        self._profiles: dict[str, WheelProfile] = {}

    def __call__(self, fetched: Sequence[Fetched]) -> list[Inspection]:
        """Return the inspection of each wheel, in their order.

        Raises:
            SourceError: What was admitted before cannot be read.
        """
        jobs = [
            WheelJob(
                path=str(one.path),
                filename=one.release.artifact.filename,
                expected=one.release.artifact,
                owners=self._owners,
            )
            for one in fetched
        ]
        inspections = []
        for job, examination in zip(jobs, examine_wheels(jobs, progress=self._progress), strict=True):
            inspection = examination.inspection
            if examination.profile is not None:
                self._profiles[job.filename] = examination.profile
                inspection = self._compared(inspection, examination.profile)
            inspections.append(inspection)
        return inspections

    def remember(self, admitted: Iterable[PackageFile]) -> None:
        """Remember what wheels are made of that this object inspected and the policy admitted.

        Raises:
            WeighlockError: The memory cannot be read or written.
        """
        profiles = [self._profiles[one.filename] for one in admitted if one.filename in self._profiles]
        if self._memory is not None:
            self._memory.remember(profiles)

    def _compared(self, inspection: Inspection, profile: WheelProfile) -> Inspection:
        """Add what is new against the release that was admitted before."""
        previous = self._memory.recall(profile.name) if self._memory is not None else None
        if previous is None or not _is_later(profile.version, previous.version):
            return inspection
        found = tuple(checks.run(ReleaseChange(previous=previous, new=profile), checks.PACKAGES))
        outcome = max((finding.outcome for finding in found), default=Outcome.DATA_ONLY)
        findings = tuple(sorted((*inspection.findings, *found), key=lambda finding: -finding.outcome))
        return replace(inspection, outcome=max(inspection.outcome, outcome), findings=findings)


def _is_later(version: str, than: str) -> bool:
    try:
        return Version(version) > Version(than)
    except InvalidVersion:
        return True  # nobody can say, so it is compared
