"""One run of ``weighlock install``: the gate with pip, indexes and the advisory database around it.

pip resolves while the rest of the gate is imported and put together, so most imports stand where they are needed.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from weighlock.errors import AdmissionError
from weighlock.files import write_atomically
from weighlock.install_policy import canonical_name
from weighlock.release import Origin
from weighlock.sources.environment import folders_of
from weighlock.sources.installed import Installed, read_installed
from weighlock.sources.pip.interface import Wanted
from weighlock.sources.pip.quarantine import InstallQuarantine
from weighlock.sources.pip.remote import require_local
from weighlock.sources.pip.session import PipSession
from weighlock.sources.pip.target import markers
from weighlock.sources.pip.transaction import recover
from weighlock.sources.uv.session import UvSession

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from weighlock.advisories.database import Database
    from weighlock.gates.contents import Contents
    from weighlock.gates.deciding import Decider
    from weighlock.gates.install import InstallGate
    from weighlock.gates.knowledge import Sources
    from weighlock.gates.packages import PackageReport
    from weighlock.install_policy import InstallPolicy
    from weighlock.sources.interface import Progress
    from weighlock.sources.pip.interface import PipRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a run has to know beside the request.

    Args:
        decider: By the policy of the person who installs.
        environ: The variables of this process.
        now: The time, with a time zone.
        offline: Nobody may be asked.
        stage: Told what is being done.
        progress: Told what a person should see.
        resolver: ``pip``, or ``uv`` to choose the versions.
    """

    decider: Decider
    environ: Mapping[str, str]
    now: datetime
    offline: bool
    stage: Callable[[str], None]
    progress: Progress
    resolver: str = "pip"

    @property
    def policy(self) -> InstallPolicy:
        """What is required of packages."""
        return self.decider.policy.install

    def __call__(self, request: PipRequest) -> PackageReport:
        """Judge what a request comes to, and install it if all of it may pass.

        Raises:
            WeighlockError: Something could not be decided or done; nothing was installed.
        """
        if self.offline:
            require_local(request)
        for folder in recover(self.environ):
            self.progress.say(f"an installation into {folder} had been cut off and is rolled back")
        installed = read_installed(_folders(request))
        with InstallQuarantine(self.environ) as quarantine, self._session(request, quarantine, installed) as pip:
            if not request.builds:
                pip.begin()  # it is the longest of all steps, and needs nothing of the others
            return self._judged(request, quarantine, installed, pip)

    def _judged(
        self, request: PipRequest, quarantine: Path, installed: Installed, pip: PipSession | UvSession
    ) -> PackageReport:
        from weighlock.gates.knowledge import Sources
        from weighlock.sources.index import configured

        with self._advisories() as database:
            sources = Sources.gather(configured(request), database, self.environ)
            contents = self._contents(quarantine, sources, installed)
            report = self._gate(request, quarantine, sources, installed, contents=contents, pip=pip).admit(request)
            if report.allowed and request.report is not None:
                write_atomically(Path(request.report), pip.report)
            if report.allowed and not request.dry_run:
                sources.provenance.remember(package.release for package in report.packages)
                contents.remember(package.release.artifact for package in report.packages)
        return report

    def _gate(
        self,
        request: PipRequest,
        quarantine: Path,
        sources: Sources,
        installed: Installed,
        *,
        contents: Contents,
        pip: PipSession | UvSession,
    ) -> InstallGate:
        def judge_and_fetch(requirements: Sequence[str]) -> Path:
            return self._for_build(request, quarantine, sources, requirements)

        from weighlock.gates.advisory_database import status_of
        from weighlock.gates.building import Workshop
        from weighlock.gates.install import InstallGate

        builds = self.policy.allow_build
        version = markers(request.python)["python_full_version"] if builds else ""
        return InstallGate(
            installer=pip,
            inspect=contents,
            knowledge=sources.knowledge(installed.versions, self.now),
            policy=self.policy,
            settle=self.decider.settle,
            workshop=Workshop(self.policy, sources.indexes, version, quarantine, judge_and_fetch) if builds else None,
            statuses=(status_of(sources.database, self.now),),
            dry_run=request.dry_run,
            say=self.stage,
        )

    def _contents(self, quarantine: Path, sources: Sources, installed: Installed) -> Contents:
        from weighlock.gates.contents import Contents
        from weighlock.gates.predecessors import Predecessors
        from weighlock.gates.release_memory import ReleaseMemory
        from weighlock.signing.publishers import place

        predecessors = Predecessors(
            quarantine=quarantine, indexes=sources.indexes, installed=installed.versions, now=self.now
        )
        publishers = place(self.environ)
        memory = ReleaseMemory(publishers and publishers.with_name("releases.json"))
        return Contents(installed.owners, memory, predecessors)

    def _for_build(self, request: PipRequest, quarantine: Path, sources: Sources, requirements: Sequence[str]) -> Path:
        """Judge what a build needs like everything else, and return a folder with exactly its wheels.

        Raises:
            AdmissionError: Something of it is refused.
        """
        folder = Path(tempfile.mkdtemp(prefix="build-", dir=quarantine))
        wanted = tuple(_wanted(text) for text in requirements)
        needed = replace(
            request, requirements=wanted, constraints=(), builds=(), resolving=("--ignore-installed",), dry_run=True
        )
        with PipSession(needed, folder, self.progress) as pip:
            contents = self._contents(folder, sources, Installed())
            gate = replace(self._gate(needed, folder, sources, Installed(), contents=contents, pip=pip), workshop=None)
            report = gate.admit(needed)
        refused = [package for package in report.packages if not package.verdict.allowed]
        if refused:
            reason = refused[0].verdict.reasons[0]
            raise AdmissionError(
                f"the build needs it, and it is refused: {reason.message}", where=refused[0].title, hint=reason.remedy
            )
        return pip.wheels

    def _session(self, request: PipRequest, quarantine: Path, installed: Installed) -> PipSession | UvSession:
        if self.resolver == "uv":
            return UvSession(request, quarantine, self.progress, installed.versions)
        return PipSession(request, quarantine, self.progress)

    def _advisories(self) -> Database:
        from weighlock.gates.advisory_database import open_database

        self.stage("opening the advisory database")
        return open_database(
            self.environ,
            most=self.policy.advisory_max_age,
            offline=self.offline,
            now=self.now,
            progress=self.progress,
        )


def _folders(request: PipRequest) -> Sequence[str]:
    """Return the library folders that an installation adds to: those of the environment, or a folder of its own."""
    target = [option.partition("=")[2] for option in request.installing if option.startswith("--target=")]
    return target or folders_of(request.python)[1]


def _wanted(requirement: str) -> Wanted:
    name = canonical_name(Requirement(requirement).name)
    return Wanted(line=requirement, origin=Origin(text=requirement), name=name)
