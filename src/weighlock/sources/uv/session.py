"""uv chooses, pip does the rest: it picks the wheel of each version that fits, fetches it and installs it.

uv has no command that only fetches, and its own choice of a file is not in what it writes. So pip is asked for exactly
the versions that uv chose, without their dependencies. Whatever pip answers has to be among the files that uv listed,
and what is installed already is left alone, as always.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from weighlock.sources.pip.session import PipSession, offering
from weighlock.sources.uv import command, options
from weighlock.sources.uv.choose import choose

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from weighlock.sources.interface import Progress
    from weighlock.sources.pip.interface import JudgedWheel, PipRequest, Resolution, Resolved, Wanted
    from weighlock.sources.uv.pins import Pins


class UvSession:
    """One installation with uv as the resolver, a context manager like `PipSession`.

    Attributes:
        report: pip's report of the last resolution, for ``--report``.

    Args:
        request: What the user asked for.
        quarantine: A private folder of this installation.
        progress: Told what a person should see.
        installed: Version of every installed distribution, by canonical name.

    Raises:
        UsageError: There is no uv, or it cannot do what was asked for.
    """

    def __init__(self, request: PipRequest, quarantine: Path, progress: Progress, installed: Mapping[str, str]) -> None:
        command.find(request.environ)
        options.arguments(request)
        self._request = request
        self._installed = installed
        self._folder = quarantine / "uv"
        self._folder.mkdir(mode=0o700)
        self._pip = PipSession(request, quarantine, progress)
        self.report = b""

    @property
    def wheels(self) -> Path:
        """The folder of what was fetched, and of nothing else."""
        return self._pip.wheels

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._pip.__exit__(kind, error, traceback)

    def begin(self) -> None:
        """Do nothing ahead: pip is asked once uv has chosen."""

    def offer(self, wheel: Path, requirement: Wanted | None) -> None:
        """Let the next resolution see a wheel that was built here, and demand it where a person named it."""
        self._request = offering(self._request, wheel, requirement)
        self._pip.offer(wheel, requirement)

    def resolve(self) -> Resolution:
        """Choose the files, and run nothing of them."""
        chosen = choose(self._request, self._folder, self._installed)
        resolving = [option for option in self._request.resolving if option != "--no-require-hashes"]
        pinned = replace(
            self._request,
            requirements=chosen.requirements(self._request),
            constraints=(),
            resolving=tuple(dict.fromkeys((*resolving, "--no-deps"))),
        )
        resolution = self._pip.resolve(pinned)
        packages = tuple(_as_asked(package, chosen) for package in chosen.matched(resolution.packages))
        self.report = _report(resolution, chosen)
        return replace(resolution, packages=packages, report=self.report)

    def download(self, resolution: Resolution) -> Mapping[str, Path]:
        """Fetch exactly these files, by their digests, and return where each lies, by its name."""
        return self._pip.download(resolution)

    def install(self, wheels: Sequence[JudgedWheel]) -> None:
        """Install exactly these bytes, or leave the environment as it was."""
        self._pip.install(wheels)


def _as_asked(package: Resolved, chosen: Pins) -> Resolved:
    return replace(package, requested=package.artifact.name in chosen.asked)


def _report(resolution: Resolution, chosen: Pins) -> bytes:
    """Return pip's report, in which every package is requested, with what a person requested."""
    report = json.loads(resolution.report)
    for row, package in zip(report["install"], resolution.packages, strict=True):
        row["requested"] = package.artifact.name in chosen.asked
    return json.dumps(report).encode()
