"""The gate of ``weighlock install``: what is installed was judged, and nothing of it ran before.

One sequence for everything that a command asks for:
    1. collect: the installer chooses the files, once, and builds nothing;
    2. what is said about them is learned and judged; one refusal ends it before anything is fetched;
    3. identify: exactly these files are fetched into quarantine, and each has its digest;
    4. inspect: what is in them becomes findings, in parallel;
    5. decide: the policy judges each release by all its findings;
    6. enforce: the judged bytes are installed, or nothing is.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from weighlock import checks
from weighlock.artifact import Digest, PackageFile
from weighlock.digests import sha256_file
from weighlock.errors import DigestMismatchError, SourceError
from weighlock.gates.packages import JudgedPackage, PackageReport, judge_release
from weighlock.gates.releases import learn
from weighlock.release import BuildNeeded, Release
from weighlock.sources.pip.interface import JudgedWheel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from weighlock.finding import Finding, Inspection
    from weighlock.gates.packages import AdvisoriesStatus
    from weighlock.gates.releases import Knowledge
    from weighlock.install_policy import InstallPolicy
    from weighlock.sources.pip.interface import PipRequest, Resolution, Resolved


class Installer(Protocol):
    """Chooses, fetches and installs what one request comes to: pip, or pip with another resolver."""

    def resolve(self) -> Resolution:
        """Choose the files, and run nothing of them."""

    def download(self, resolution: Resolution) -> Mapping[str, Path]:
        """Fetch exactly these files, by their digests, and return where each lies, by its name."""

    def install(self, wheels: Sequence[JudgedWheel]) -> None:
        """Install exactly these bytes, or leave the environment as it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A wheel in quarantine, to be inspected.

    Args:
        path: Where it lies.
        release: What it is said to be.
    """

    path: Path
    release: Release


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallGate:
    """What the gate works with.

    Args:
        installer: Chooses, fetches and installs.
        inspect: Returns the inspection of each wheel, in their order.
        knowledge: Where facts about releases come from.
        policy: Of the person who installs.
        statuses: Which advisories are asked, for the report.
        dry_run: Judge, and install nothing.
        say: Told what is being done, for a terminal.
    """

    installer: Installer
    inspect: Callable[[Sequence[Fetched]], Sequence[Inspection]]
    knowledge: Knowledge
    policy: InstallPolicy
    statuses: tuple[AdvisoriesStatus, ...] = ()
    dry_run: bool = False
    say: Callable[[str], None] = lambda _line: None

    def admit(self, request: PipRequest) -> PackageReport:
        """Judge what a request comes to, and install it if all of it may pass.

        Args:
            request: What the user asked of the installer.

        Returns:
            What was judged. Where it is not `allowed`, nothing was installed.

        Raises:
            WeighlockError: Something could not be decided or done; nothing was installed.
        """
        # 1. Collect.
        if request.builds:
            return self._report(self._refused_builds(request))
        self.say("resolving")
        resolution = self.installer.resolve()
        # 2. Judge what is said.
        self.say(f"asking about {len(resolution.packages)} packages")
        releases = [_release(resolved, request) for resolved in resolution.packages]
        learned = learn(releases, self.knowledge, self.policy)
        report = self._decide(learned)
        if not report.allowed or not learned:
            return report
        # 3. Identify.
        self.say(f"fetching {len(learned)} packages")
        paths = self.installer.download(resolution)
        fetched = [_identified(release, paths) for release, _ in learned]
        # 4. Inspect.
        self.say(f"inspecting {len(fetched)} packages")
        inspections = self.inspect(fetched)
        # 5. Decide.
        report = self._decide(
            (one.release, (*said, *inspection.findings))
            for one, (_, said), inspection in zip(fetched, learned, inspections, strict=True)
        )
        # 6. Enforce.
        if report.allowed and not self.dry_run:
            self.say(f"installing {len(fetched)} packages")
            wheels = [_admitted(one, resolved) for one, resolved in zip(fetched, resolution.packages, strict=True)]
            self.installer.install(wheels)
        return report

    def _refused_builds(self, request: PipRequest) -> Iterator[JudgedPackage]:
        """Refuse what only a build can satisfy, of which nothing is known but what the user wrote."""
        for build in request.builds:
            name = build.name or "unnamed"
            artifact = PackageFile(name=name, version="unbuilt", filename=build.text)
            release = Release(artifact=artifact, requested=True, direct=build.kind, origin=build)
            found = checks.run(BuildNeeded(kind=build.kind, editable=build.editable), checks.PACKAGES)
            yield judge_release(release, found, self.policy, self.knowledge.now)

    def _decide(self, learned: Iterable[tuple[Release, Sequence[Finding]]]) -> PackageReport:
        return self._report(judge_release(one, found, self.policy, self.knowledge.now) for one, found in learned)

    def _report(self, judged: Iterable[JudgedPackage]) -> PackageReport:
        packages = tuple(sorted(judged, key=_by_name))
        return PackageReport(command="install", packages=packages, advisories=self.statuses)


def _by_name(package: JudgedPackage) -> str:
    return package.release.artifact.name


def _release(resolved: Resolved, request: PipRequest) -> Release:
    return Release(
        artifact=resolved.artifact,
        requested=resolved.requested,
        extras=resolved.extras,
        direct=resolved.direct,
        origin=request.origins.get(resolved.artifact.name),
        metadata=resolved.metadata,
        yanked=resolved.yanked,
    )


def _identified(release: Release, paths: Mapping[str, Path]) -> Fetched:
    """Bind a release to the bytes in quarantine.

    Raises:
        SourceError: It was not fetched.
        DigestMismatchError: Other bytes were fetched than the installer chose.
    """
    artifact = release.artifact
    path = paths.get(artifact.filename)
    if path is None:
        raise SourceError("it was not fetched", where=artifact.filename)
    digest, size = _digest_of(path)
    if artifact.digest not in {None, digest}:
        raise DigestMismatchError(
            f"its bytes have the digest {digest}, and {artifact.digest} was chosen", where=artifact.filename
        )
    return Fetched(path=path, release=replace(release, artifact=replace(artifact, digest=digest, size=size)))


def _digest_of(path: Path) -> tuple[Digest, int]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", where=str(path)) from error
    try:
        size = os.fstat(descriptor).st_size
        return Digest.sha256(sha256_file(descriptor, size)), size
    finally:
        os.close(descriptor)


def _admitted(fetched: Fetched, resolved: Resolved) -> JudgedWheel:
    return JudgedWheel(
        path=fetched.path,
        artifact=fetched.release.artifact,
        requested=resolved.requested,
        extras=resolved.extras,
        direct_url=resolved.direct_url,
    )
