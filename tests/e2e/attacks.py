"""Attacks on an installation beside those of the demonstration, and the place where all of them are tried.

The place is one environment, indexes on loopback, an advisory database and the memory of a user. `weighlock install`
runs in this process: what would be started for it is what `weighlock install` starts.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests import osv
from tests.index_faults import FaultyIndex, pip_environ
from weighlock.demo import attacks
from weighlock.demo.attacks import NIGHTLY, Attack, marker
from weighlock.demo.packages import marking, wheel
from weighlock.gates.deciding import open_decider
from weighlock.gates.installing import Run
from weighlock.gates.packages import PackageReport
from weighlock.install_policy import InstallPolicy
from weighlock.policy import Policy
from weighlock.release import Publisher
from weighlock.signing.publishers import Publishers, Remembered, place
from weighlock.sources.interface import Silence
from weighlock.sources.pip.arguments import read

SITE = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
YOUNG = timedelta(hours=5)


class Place:
    """Where attacks are tried.

    Args:
        folder: For everything.
        index: The indexes, running.
    """

    def __init__(self, folder: Path, index: FaultyIndex) -> None:
        self.folder, self.index = folder, index
        self.now = datetime.now(UTC)
        self.markers = folder / "markers"
        self.markers.mkdir()
        venv.create(folder / "venv", with_pip=False, symlinks=True)
        self.python = str(folder / "venv" / "bin" / "python")
        self.site = folder / "venv" / SITE
        database = osv.database(folder, *attacks.records(self.now), osv.record("PYSEC-2026-1", "vulnerable"))
        self.environ = pip_environ(
            WEIGHLOCK_ADVISORIES=str(database),
            WEIGHLOCK_CACHE=str(folder / "cache"),
            WEIGHLOCK_STATE=str(folder / "state"),
        )

    def install(
        self,
        *arguments: str,
        policy: InstallPolicy | None = None,
        stage: Callable[[str], None] = lambda _line: None,
        environ: Mapping[str, str] | None = None,
    ) -> PackageReport:
        """Do what `weighlock install` does."""
        environ = {**self.environ, **(environ or {})}
        request = read(["-i", self.index.url(), *arguments], python=self.python, environ=environ)
        run = Run(
            decider=open_decider("install", Policy(install=policy or InstallPolicy()), None, environ),
            environ=environ,
            now=self.now,
            offline=False,
            stage=stage,
            progress=Silence(),
        )
        return run(request)

    def left(self) -> list[str]:
        """Return what was installed, what ran, and what stayed in quarantine; all of it has to be nothing."""
        quarantine = self.folder / "cache" / "installing"
        places = [self.site, self.folder / "venv" / "bin", self.markers, quarantine]
        found = [path.name for folder in places if folder.exists() for path in folder.iterdir()]
        before = ("python", "activate", "Activate")
        return sorted(name for name in found if not name.startswith(before) and not name.endswith(".lock"))

    def remember(self, project: str, version: str, index: str) -> None:
        """Remember that a release of a project was admitted, and who published it."""
        publisher = Publisher(kind="GitHub", repository=f"{project}/{project}", workflow="publish.yml")
        row = Remembered(index=index.rstrip("/"), project=project, version=version, publisher=publisher)
        Publishers(place(self.environ)).remember([row])

    def plain(self, tried: Iterable[Attack]) -> tuple[set[str], set[str]]:
        """Let plain pip install attacks into another environment, start Python and import what runs them.

        Returns:
            Projects that were installed, and those whose payload ran.
        """
        tried = list(tried)
        folder = self.folder / "plain"
        venv.create(folder, with_pip=False, symlinks=True)
        python = str(folder / "bin" / "python")
        command = [sys.executable, "-I", "-m", "pip", "--python", python, "install", "-q", "--no-compile"]
        command += ["-i", self.index.url(), "--extra-index-url", self.index.url(NIGHTLY), "--no-cache-dir"]
        self._run([*command, *(attack.pin for attack in tried)])
        self._run([python, "-c", "".join(f"import {one.module}\n" for one in tried if one.module)])
        there = {path.name.partition("-")[0].replace("_", "-") for path in (folder / SITE).glob("*.dist-info")}
        ran = {one.package.project for one in tried if os.path.exists(marker(str(self.markers), one.package.project))}
        for path in self.markers.iterdir():
            path.unlink()
        return there, ran

    def _run(self, command: list[str]) -> None:
        done = subprocess.run(command, env=pip_environ(), capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr


def said(folder: str) -> list[Attack]:
    """Make more attacks that what is said about a release gives away."""
    return [
        _plain(folder, "colorana", "0.4.6", "look-alike-name"),
        _plain(folder, "tensorfllow", "2.17.0", "look-alike-name"),
        _plain(folder, "requirements-txt", "1.1", "wrong-tool-name"),
        _plain(folder, "recalled", "1.0", "yanked", yanked="it is compromised"),
        _plain(folder, "frozen", "1.0", "project-status"),
        _plain(folder, "vulnerable", "1.0", "advisory"),
        _plain(folder, "litellm", "1.82.7", "release-age", uploaded=datetime.now(UTC) - YOUNG),
    ]


def held(folder: str) -> list[Attack]:
    """Make more attacks that only the content of a wheel gives away."""
    entry = {"entry_points.txt": "[console_scripts]\nls = listing:main\n"}
    mark = marking(marker(folder, "listing"))
    return [
        _made(folder, "shadows", "shadows-standard-library", "shadows", {"email/__init__.py": ""}),
        _made(folder, "squats", "shadows-other-distribution", "squats", {"victim/core.py": "x = 2\n"}),
        Attack(
            what="a command of the system",
            package=wheel("listing", "1.0", {"listing.py": mark}, dist_info=entry),
            check="shadows-command",
            module="listing",
        ),
        _made(folder, "greeter", "startup-files", None, {"sitecustomize.py": marking(marker(folder, "greeter"))}),
    ]


def _plain(folder: str, name: str, version: str, check: str, **listed: object) -> Attack:
    module = name.replace("-", "_")
    package = wheel(name, version, {f"{module}/__init__.py": marking(marker(folder, name))})
    return Attack(what=check, package=package, check=check, module=module, listed=listed)


def _made(folder: str, name: str, check: str, module: str | None, files: Mapping[str, str]) -> Attack:
    own = {f"{name}/__init__.py": marking(marker(folder, name)) if module else ""}
    return Attack(what=check, package=wheel(name, "1.0", {**own, **files}), check=check, module=module)
