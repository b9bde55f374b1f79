"""One run of ``weighlock install``: the gate with pip, indexes and the advisory database around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighlock.gates.advisory_database import open_database, status_of
from weighlock.gates.contents import inspect_all
from weighlock.gates.install import InstallGate
from weighlock.gates.knowledge import Sources, indexes_of
from weighlock.sources.environment import folders_of
from weighlock.sources.installed import Installed, read_installed
from weighlock.sources.pip.quarantine import InstallQuarantine
from weighlock.sources.pip.session import PipSession
from weighlock.sources.pip.transaction import recover

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from weighlock.advisories.database import Database
    from weighlock.finding import Inspection
    from weighlock.gates.install import Fetched
    from weighlock.gates.packages import PackageReport
    from weighlock.install_policy import InstallPolicy
    from weighlock.sources.interface import Progress
    from weighlock.sources.pip.interface import PipRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a run has to know beside the request.

    Args:
        policy: Of the person who installs.
        environ: The variables of this process.
        now: The time, with a time zone.
        offline: Nobody may be asked.
        stage: Told what is being done.
        progress: Told what a person should see.
    """

    policy: InstallPolicy
    environ: Mapping[str, str]
    now: datetime
    offline: bool
    stage: Callable[[str], None]
    progress: Progress

    def __call__(self, request: PipRequest) -> PackageReport:
        """Judge what a request comes to, and install it if all of it may pass.

        Raises:
            WeighlockError: Something could not be decided or done; nothing was installed.
        """
        for folder in recover(self.environ):
            self.progress.say(f"an installation into {folder} had been cut off and is rolled back")
        installed = read_installed(_folders(request))
        with (
            InstallQuarantine(self.environ) as quarantine,
            self._advisories() as database,
            PipSession(request, quarantine, self.progress) as pip,
        ):
            sources = Sources.gather(indexes_of(request), database, self.environ)
            gate = InstallGate(
                installer=pip,
                inspect=lambda fetched: _inspect(fetched, installed),
                knowledge=sources.knowledge(installed.versions, self.now),
                policy=self.policy,
                statuses=(status_of(database, self.now),),
                dry_run=request.dry_run,
                say=self.stage,
            )
            report = gate.admit(request)
            if report.allowed and not request.dry_run:
                sources.provenance.remember(package.release for package in report.packages)
            return report

    def _advisories(self) -> Database:
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


def _inspect(fetched: Sequence[Fetched], installed: Installed) -> list[Inspection]:
    owners = installed.without({one.release.artifact.name for one in fetched})
    return inspect_all(fetched, owners)
