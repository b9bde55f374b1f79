"""What is in the wheels of one installation: all of them are examined, in parallel, beside what was admitted before."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from weighlock import checks
from weighlock.finding import Outcome
from weighlock.formats.wheel import SAID
from weighlock.formats.wheel_profile import ReleaseChange
from weighlock.gates.examine import WheelJob, clashes, examine_wheels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from weighlock.artifact import PackageFile
    from weighlock.finding import Finding, Inspection
    from weighlock.formats.wheel_profile import WheelProfile
    from weighlock.gates.install import Fetched
    from weighlock.gates.release_memory import ReleaseMemory


class Contents:
    """Inspects the wheels of one installation, and remembers what the admitted ones are made of.

    Args:
        owners: Which distribution owns each file of the environment.
        memory: What was admitted on this machine before.
        predecessor: Fetches the wheel that one is compared with whose project was never admitted here.
        progress: Called with how many pieces of work are done and how many there are.
    """

    def __init__(
        self,
        owners: Mapping[str, str],
        memory: ReleaseMemory | None = None,
        predecessor: Callable[[Fetched], WheelJob | None] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self._owners = owners
        self._memory = memory
        self._predecessor = predecessor
        self._progress = progress
        self._profiles: dict[str, WheelProfile] = {}

    def __call__(self, fetched: Sequence[Fetched]) -> list[Inspection]:
        """Return the inspection of each wheel, in their order.

        Raises:
            SourceError: What was admitted before cannot be read.
        """
        replaced = {one.artifact.name for one in fetched}
        owners = {path: owner for path, owner in self._owners.items() if owner not in replaced}
        jobs = [
            WheelJob(
                path=str(one.path),
                filename=one.artifact.filename,
                expected=one.artifact,
                said=_said(one),
                owners=owners,
            )
            for one in fetched
        ]
        remembered = [self._recalled(one) for one in fetched]
        earlier = dict(self._fetched(fetched, remembered))
        examined = examine_wheels([*jobs, *earlier.values()], progress=self._progress)
        before = dict(zip(earlier, examined[len(jobs) :], strict=True))
        beside = clashes(jobs, examined[: len(jobs)])
        inspections = []
        for number, (job, examination, clash) in enumerate(zip(jobs, examined, beside, strict=False)):
            inspection = _with(examination.inspection, clash)
            if examination.profile is not None:
                self._profiles[job.filename] = examination.profile
                previous = before[number].profile if number in before else remembered[number]
                inspection = _compared(inspection, examination.profile, previous)
            inspections.append(inspection)
        return inspections

    def _recalled(self, one: Fetched) -> WheelProfile | None:
        return self._memory.recall(one.artifact.name) if self._memory is not None else None

    def _fetched(
        self, fetched: Sequence[Fetched], remembered: Sequence[WheelProfile | None]
    ) -> Iterator[tuple[int, WheelJob]]:
        """Yield the number of each wheel that nothing is remembered for, with the wheel that it is compared with."""
        for number, (one, known) in enumerate(zip(fetched, remembered, strict=True)):
            job = self._predecessor(one) if self._predecessor is not None and known is None else None
            if job is not None:
                yield number, job

    def remember(self, admitted: Iterable[PackageFile]) -> None:
        """Remember what wheels are made of that this object inspected and the policy admitted.

        Raises:
            WeighlockError: The memory cannot be read or written.
        """
        profiles = [self._profiles[one.filename] for one in admitted if one.filename in self._profiles]
        if self._memory is not None:
            self._memory.remember(profiles)


def _compared(inspection: Inspection, profile: WheelProfile, previous: WheelProfile | None) -> Inspection:
    """Add what is new against an earlier release."""
    if previous is None or not _is_later(profile.version, previous.version):
        return inspection
    return _with(inspection, tuple(checks.run(ReleaseChange(previous=previous, new=profile), checks.PACKAGES)))


def _with(inspection: Inspection, found: Sequence[Finding]) -> Inspection:
    """Add findings to an inspection."""
    outcome = max((finding.outcome for finding in found), default=Outcome.DATA_ONLY)
    findings = tuple(sorted((*inspection.findings, *found), key=lambda finding: -finding.outcome))
    return replace(inspection, outcome=max(inspection.outcome, outcome), findings=findings)


def _said(one: Fetched) -> dict[str, object]:
    """Return what the resolver went by; what was built here has its metadata from the wheel itself."""
    metadata = one.release.metadata if one.release.artifact == one.artifact else {}
    # With the name, so that silence about the others counts, too.
    return {key: metadata[key] for key in ("name", *SAID) if key in metadata}


def _is_later(version: str, than: str) -> bool:
    try:
        return Version(version) > Version(than)
    except InvalidVersion:
        return True  # nobody can say, so it is compared
