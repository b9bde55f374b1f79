"""Packages that were judged: what the gates of ``weighlock install`` and ``weighlock check`` come to.

Both gates collect releases, let the checks look at them and ask the policy. The last of these steps is here, so that
the two can never judge the same release differently.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.artifact import PackageFile
from weighlock.finding import Finding, Outcome, Severity
from weighlock.release import Origin

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

    from weighlock.artifact import Digest
    from weighlock.install_policy import InstallPolicy
    from weighlock.release import Release
    from weighlock.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedPackage:
    """One release with all that was seen in it and the policy's answer.

    Args:
        release: What was judged, and where a person asked for it.
        findings: Of every check that ran, the mild ones included.
        verdict: The policy's answer.
    """

    release: Release
    findings: tuple[Finding, ...]
    verdict: Verdict

    @property
    def title(self) -> str:
        """What a person calls it."""
        return self.release.artifact.pin

    @property
    def identity(self) -> Digest | None:
        """The digest of its file, where it is known."""
        return self.release.artifact.digest

    @property
    def origin(self) -> Origin | None:
        """Where a person asked for it."""
        return self.release.origin


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedLooseFile:
    """A file that no release brought and that was judged beside the packages: of an environment, or of a locked model.

    Args:
        path: Where it lies, or its name in the lockfile of models.
        digest: Of its bytes, where they were read.
        findings: What was seen.
        verdict: The policy's answer.
    """

    path: str
    findings: tuple[Finding, ...]
    verdict: Verdict
    digest: Digest | None = None

    @property
    def title(self) -> str:
        """What a person calls it."""
        return self.path

    @property
    def identity(self) -> Digest | None:
        """The digest of its bytes, where they were read."""
        return self.digest

    @property
    def origin(self) -> Origin:
        """The file itself."""
        return Origin(path=self.path)


Judged = JudgedPackage | JudgedLooseFile
"""What has a verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvisoriesStatus:
    """Which advisories were asked.

    Args:
        source: Their database, such as ``osv``, or the tool that was asked beside it.
        updated: When their publisher last changed them, as far as is known.
        age: How long ago that was.
        old: They are old enough for a warning.
    """

    source: str
    updated: datetime | None = None
    age: timedelta | None = None
    old: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """An upgrade that clears findings.

    Args:
        name: Of the project.
        version: That was judged.
        upgrade: The lowest version that clears every advisory which stands in the way; `None` where there is none.
        clears: Names of those advisories.
        origin: The line to change.
        line: What to write there.
        caution: Why the upgrade may be refused in its turn, such as an age.
    """

    name: str
    version: str
    upgrade: str | None
    clears: tuple[str, ...]
    origin: Origin | None = None
    line: str | None = None
    caution: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageReport:
    """What a command judged.

    Args:
        command: Its name.
        packages: Every release, in the order of their names.
        files: Files that were judged beside them.
        inputs: What a person gave to judge, such as ``requirements.txt``.
        advisories: Which advisories were asked; every source on its own.
        warnings: What a person has to know though it refuses nothing, one sentence each, such as what was not judged.
        suggestions: Upgrades that clear findings.
    """

    command: str
    packages: tuple[JudgedPackage, ...]
    files: tuple[JudgedLooseFile, ...] = ()
    inputs: tuple[str, ...] = ()
    advisories: tuple[AdvisoriesStatus, ...] = ()
    warnings: tuple[str, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()

    @property
    def judged(self) -> tuple[Judged, ...]:
        """Everything that has a verdict."""
        return (*self.packages, *self.files)

    @property
    def allowed(self) -> bool:
        """Whether everything may pass."""
        return all(item.verdict.allowed for item in self.judged)

    @property
    def exit_code(self) -> int:
        """0 where everything may pass, else 1."""
        return 0 if self.allowed else 1


def judge_release(release: Release, findings: Iterable[Finding], policy: InstallPolicy, now: datetime) -> JudgedPackage:
    """Let the policy judge a release.

    Args:
        release: What was collected about it.
        findings: Of every check that ran; a check that could not run says so with a finding of its own.
        policy: Of the person who wants it.
        now: The time, with a time zone.
    """
    seen = tuple(findings)
    return JudgedPackage(release=release, findings=seen, verdict=policy.decide(release.artifact, seen, now))


def judge_file(
    path: str, findings: Iterable[Finding], policy: InstallPolicy, now: datetime, *, digest: Digest | None = None
) -> JudgedLooseFile:
    """Let the policy judge a file that no release brought.

    Args:
        path: Where it lies; an acceptance takes the last part of it for the name of a package.
        findings: What was seen.
        policy: Of the person whose environment it is.
        now: The time, with a time zone.
        digest: Of its bytes: an acceptance holds for these and takes it for the version.
    """
    seen, name = tuple(findings), os.path.basename(path)
    artifact = PackageFile(name=name, version=str(digest or "unread"), filename=name)
    return JudgedLooseFile(path=path, findings=seen, verdict=policy.decide(artifact, seen, now), digest=digest)


def unverifiable_package(why: str) -> Finding:
    """Return the finding that something about a release could not be found out.

    Args:
        why: One sentence without a full stop.
    """
    return Finding(check="unverifiable", severity=Severity.HIGH, message=why, outcome=Outcome.UNVERIFIABLE)
