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

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from weighlock import checks
from weighlock.artifact import PackageFile
from weighlock.digests import digest_of
from weighlock.errors import AdmissionError, DigestMismatchError, NoWheelError, SourceError
from weighlock.gates.building import project_of, requirement_of
from weighlock.gates.packages import JudgedPackage, PackageReport, judge_release
from weighlock.gates.releases import learn
from weighlock.release import BuildNeeded, Release
from weighlock.sources.pip.interface import JudgedWheel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from weighlock.finding import Finding, Inspection
    from weighlock.gates.building import Workshop
    from weighlock.gates.packages import AdvisoriesStatus
    from weighlock.gates.releases import Knowledge
    from weighlock.install_policy import InstallPolicy
    from weighlock.sources.pip.interface import PipRequest, Resolution, Resolved, Wanted


class Installer(Protocol):
    """Chooses, fetches and installs what one request comes to: pip, or pip with another resolver."""

    def offer(self, wheel: Path, requirement: Wanted | None) -> None:
        """Let the next resolution see a wheel that was built here, and demand it where a person named it."""

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
        artifact: The wheel, with the digest of its bytes.
        release: What it is said to be; that is about the sdist where the wheel was built of one.
    """

    path: Path
    artifact: PackageFile
    release: Release


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallGate:
    """What the gate works with.

    Args:
        installer: Chooses, fetches and installs.
        inspect: Returns the inspection of each wheel, in their order.
        knowledge: Where facts about releases come from.
        policy: Of the person who installs.
        settle: Lets every engine judge what the policy allows, and records all verdicts.
        workshop: Builds what the policy lets build; without one, nothing is built.
        statuses: Which advisories are asked, for the report.
        dry_run: Judge, and install nothing.
        say: Told what is being done, for a terminal.
    """

    installer: Installer
    inspect: Callable[[Sequence[Fetched]], Sequence[Inspection]]
    knowledge: Knowledge
    policy: InstallPolicy
    settle: Callable[[PackageReport], PackageReport]
    workshop: Workshop | None = None
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
        refused = self._refused_builds(request)
        if refused:
            return self.settle(self._report(refused))
        self.say("resolving")
        resolution = self._resolution(request)
        # 2. Judge what is said.
        self.say(f"asking about {len(resolution.packages)} packages")
        releases = [self._release(resolved, request) for resolved in resolution.packages]
        learned = learn(releases, self.knowledge, self.policy)
        report = self._decide(learned)
        if not report.allowed or not learned:
            return self.settle(report)
        # 3. Identify.
        self.say(f"fetching {len(learned)} packages")
        paths = self.installer.download(resolution)
        fetched = [
            _identified(resolved, release, paths)
            for resolved, (release, _) in zip(resolution.packages, learned, strict=True)
        ]
        # 4. Inspect.
        self.say(f"inspecting {len(fetched)} packages")
        inspections = self.inspect(fetched)
        # 5. Decide.
        report = self.settle(
            self._decide(
                (one.release, (*said, *inspection.findings))
                for one, (_, said), inspection in zip(fetched, learned, inspections, strict=True)
            )
        )
        # 6. Enforce.
        if report.allowed and not self.dry_run:
            self.say(f"installing {len(fetched)} packages")
            wheels = [_admitted(one, resolved) for one, resolved in zip(fetched, resolution.packages, strict=True)]
            self.installer.install(wheels)
        return report

    def _refused_builds(self, request: PipRequest) -> list[JudgedPackage]:
        """Refuse what only a build can satisfy and nobody lets build; all that is known is what the user wrote."""
        refused = []
        for one in request.builds:
            if self.workshop is not None and self.workshop.may_build(one.name) and not one.constraint:
                continue
            artifact = PackageFile(name=one.name or "unnamed", version="unbuilt", filename=one.text)
            release = Release(artifact=artifact, requested=True, direct=one.kind, origin=one)
            found = checks.run(BuildNeeded(kind=one.kind, editable=one.editable), checks.PACKAGES)
            refused.append(judge_release(release, found, self.policy, self.knowledge.now))
        return refused

    def _resolution(self, request: PipRequest) -> Resolution:
        """Resolve, and build on the way what has no wheel and may be built."""
        if self.workshop is not None:
            for one in request.builds:
                self.say(f"building {one.text}")
                built = self.workshop.direct(one)
                self.installer.offer(built.wheel, requirement_of(built, one))
        while True:
            try:
                return self.installer.resolve()
            except NoWheelError as error:
                if self.workshop is None or not self.workshop.may_build(project_of(error.requirement)):
                    raise
                chosen = self.workshop.choose(error.requirement)
                self._require_admitted(chosen.sdist, request)
                self.say(f"building {error.requirement}")
                self.installer.offer(self.workshop.from_index(chosen).wheel, None)

    def _require_admitted(self, sdist: PackageFile, request: PipRequest) -> None:
        """Judge what is said about an sdist before one line of it runs, if only in a sandbox.

        Raises:
            AdmissionError: It is refused.
        """
        release = Release(artifact=sdist, origin=request.origins.get(sdist.name))
        [(release, said)] = learn([release], self.knowledge, self.policy)
        # Which licence it has stands in metadata that are made by the build.
        found = [finding for finding in said if finding.check != "license"]
        report = self.settle(self._report([judge_release(release, found, self.policy, self.knowledge.now)]))
        verdict = report.packages[0].verdict
        if not verdict.allowed:
            reason = verdict.reasons[0]
            raise AdmissionError(
                f"is refused before it is built: {reason.message}", where=sdist.pin, hint=reason.remedy
            )

    def _release(self, resolved: Resolved, request: PipRequest) -> Release:
        artifact, direct = resolved.artifact, resolved.direct
        built = self.workshop.of(resolved) if self.workshop is not None else None
        if built is not None:
            artifact, direct = built.source or artifact, built.direct
        return Release(
            artifact=artifact,
            requested=resolved.requested,
            extras=resolved.extras,
            direct=direct,
            origin=request.origins.get(artifact.name),
            metadata=resolved.metadata,
            yanked=resolved.yanked,
        )

    def _decide(self, learned: Iterable[tuple[Release, Sequence[Finding]]]) -> PackageReport:
        return self._report(judge_release(one, found, self.policy, self.knowledge.now) for one, found in learned)

    def _report(self, judged: Iterable[JudgedPackage]) -> PackageReport:
        packages = tuple(sorted(judged, key=_by_name))
        return PackageReport(command="install", packages=packages, advisories=self.statuses)


def _by_name(package: JudgedPackage) -> str:
    return package.release.artifact.name


def _identified(resolved: Resolved, release: Release, paths: Mapping[str, Path]) -> Fetched:
    """Bind a release to the bytes in quarantine.

    Raises:
        SourceError: It was not fetched.
        DigestMismatchError: Other bytes were fetched than the installer chose.
    """
    artifact = resolved.artifact
    path = paths.get(artifact.filename)
    if path is None:
        raise SourceError("it was not fetched", where=artifact.filename)
    try:
        digest, size = digest_of(path)
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", where=str(path)) from error
    if artifact.digest not in {None, digest}:
        raise DigestMismatchError(
            f"its bytes have the digest {digest}, and {artifact.digest} was chosen", where=artifact.filename
        )
    identified = replace(artifact, digest=digest, size=size)
    if release.artifact.filename == artifact.filename:
        release = replace(release, artifact=identified)
    return Fetched(path=path, artifact=identified, release=release)


def _admitted(fetched: Fetched, resolved: Resolved) -> JudgedWheel:
    return JudgedWheel(
        path=fetched.path,
        artifact=fetched.artifact,
        requested=resolved.requested,
        extras=resolved.extras,
        direct_url=resolved.direct_url,
    )
