"""pip as the install gate calls it: one process that resolves and fetches, and another one that installs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from weighlock.errors import SourceError
from weighlock.sources.pip.download import download
from weighlock.sources.pip.install import install
from weighlock.sources.pip.no_build import NoBuildPip
from weighlock.sources.pip.resolve import resolve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Future
    from types import TracebackType

    from weighlock.sources.interface import Progress
    from weighlock.sources.pip.interface import JudgedWheel, PipRequest, Resolution, Wanted


class PipSession:
    """One installation's pip, a context manager.

    Attributes:
        wheels: The folder of what was fetched, and of nothing else.
        report: pip's own report of the last resolution, for ``--report``.

    Args:
        request: What the user asked for.
        quarantine: A private folder of this installation.
        progress: Told what a person should see.
    """

    def __init__(self, request: PipRequest, quarantine: Path, progress: Progress) -> None:
        self._request = request
        self._quarantine = quarantine
        self._progress = progress
        self._scratch = _private(quarantine / "pip")
        self.wheels = quarantine / "wheels"
        self.report = b""
        self._pip: NoBuildPip | None = None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="weighlock-pip")
        self._begun: Future[Resolution] | None = None
        self._ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended = True
        for _ in range(2):  # what was begun may start pip a moment later
            if self._pip is not None:
                self._pip.close()
            self._pool.shutdown()

    def begin(self) -> None:
        """Resolve in the background, while the caller does something else, until `resolve` asks for the answer."""
        self._begun = self._pool.submit(self._resolution, self._request)

    def offer(self, wheel: Path, requirement: Wanted | None) -> None:
        """Let the next resolution see a wheel that was built here, and demand it where a person named it."""
        self._request = offering(self._request, wheel, requirement)

    def resolve(self, request: PipRequest | None = None) -> Resolution:
        """Choose the files, and run nothing of them.

        Args:
            request: Another one than that of the user, for the same environment.
        """
        begun, self._begun = self._begun, None
        resolution = begun.result() if begun and request is None else self._resolution(request or self._request)
        self.report = resolution.report
        return resolution

    def _resolution(self, request: PipRequest) -> Resolution:
        return resolve(request, self._scratch, pip=self._running())

    def _running(self) -> NoBuildPip:
        if self._pip is None:
            self._pip = NoBuildPip(self._request, self._scratch)
        if self._ended:
            raise SourceError("pip is not asked any more")
        return self._pip

    def download(self, resolution: Resolution) -> Mapping[str, Path]:
        """Fetch exactly these files, by their digests, and return where each lies, by its name."""
        _private(self.wheels)
        pip = self._running()
        fetched = download(self._request, resolution.packages, self.wheels, scratch=self._scratch, pip=pip)
        return {name: Path(path) for name, path in fetched.items()}

    def install(self, wheels: Sequence[JudgedWheel]) -> None:
        """Install exactly these bytes, or leave the environment as it was."""
        self._running().close()
        done = install(wheels, self._request, self._quarantine, progress=self._progress)
        for notice in done.notices:
            self._progress.say(notice)


def offering(request: PipRequest, wheel: Path, requirement: Wanted | None) -> PipRequest:
    """Return a request that sees a wheel that was built here, and demands it where a person named it."""
    if requirement is not None:
        return replace(request, requirements=(*request.requirements, requirement))
    folder = str(wheel.parent)
    return replace(
        request,
        fetching=(*request.fetching, f"--find-links={folder}"),
        find_links=(*request.find_links, folder),
    )


def _private(folder: Path) -> Path:
    folder.mkdir(mode=0o700)
    return folder
