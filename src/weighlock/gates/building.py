"""What only a build can bring, built where the policy names the project: in a sandbox, from judged requirements.

The wheel that comes out is offered to the resolver, and judged like any other. What is said about the release, such as
its age, is what is said about the sdist that it was built from.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import parse_wheel_filename

from weighlock.errors import SourceError, UsageError
from weighlock.install_policy import canonical_name
from weighlock.sources.builds.build import build
from weighlock.sources.builds.choose import choose_sdist
from weighlock.sources.pip.interface import Wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from weighlock.artifact import PackageFile
    from weighlock.install_policy import InstallPolicy
    from weighlock.release import IndexFile
    from weighlock.sources.builds.choose import Sdist
    from weighlock.sources.index import Index
    from weighlock.sources.pip.interface import Build, Resolved

_LARGEST = 512 << 20
"""Bytes of an sdist that is built."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A wheel that was built here.

    Args:
        wheel: In quarantine.
        source: What it was built from, as an index lists it; `None` where no index does.
        direct: ``url`` or ``file`` where a person named the source so.
    """

    wheel: Path
    source: PackageFile | None = None
    direct: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """An sdist that would be built.

    Args:
        sdist: With the digest that its bytes must have.
        listed: The entry of the page that lists it.
        index: That has it.
    """

    sdist: PackageFile
    listed: IndexFile
    index: Index


class Workshop:
    """Builds for one installation, each project once.

    Args:
        policy: Says which projects may be built.
        indexes: That are asked for sdists.
        python_version: Of the target, such as ``3.11.7``.
        quarantine: A private folder.
        judge_and_fetch: Judges requirements of a build, and returns a folder with their wheels.
    """

    def __init__(
        self,
        policy: InstallPolicy,
        indexes: Sequence[Index],
        python_version: str,
        quarantine: Path,
        judge_and_fetch: Callable[[Sequence[str]], Path],
    ) -> None:
        self._policy = policy
        self._indexes = indexes
        self._python_version = python_version
        self._quarantine = quarantine
        self._judge_and_fetch = judge_and_fetch
        self._built: dict[str, Built] = {}

    def may_build(self, name: str | None) -> bool:
        """Say whether the policy names a project, and it was not built yet."""
        return name in self._policy.allow_build and name not in self._built

    def of(self, resolved: Resolved) -> Built | None:
        """Return what a wheel was built from, if it is one that was built here.

        An index can list another wheel under the same name, and then nothing of what is known about the source holds.
        """
        path = unquote(urlsplit(resolved.url).path) if resolved.url.startswith("file:") else None
        return next((one for one in self._built.values() if str(one.wheel) == path), None)

    def choose(self, requirement: str) -> Chosen:
        """Choose the newest sdist that a requirement may mean; nothing of it is fetched.

        Args:
            requirement: As the installer names what it found no wheel of.

        Raises:
            SourceError: No index has one.
        """
        wanted = _parsed(requirement)
        name = canonical_name(wanted.name)
        pinned = self._policy.allow_build[name]
        sdist, index = self._chosen(name, str(wanted.specifier & f"=={pinned}") if pinned else str(wanted.specifier))
        return Chosen(sdist=sdist.artifact, listed=sdist.listed, index=index)

    def from_index(self, chosen: Chosen) -> Built:
        """Build an sdist of an index.

        Raises:
            SourceError: It cannot be fetched or built here.
            AdmissionError: What it needs for the build is refused, or it is another project.
        """
        artifact = chosen.sdist
        folder = self._folder(artifact.name)
        source = folder / artifact.filename
        source.write_bytes(chosen.index.file(chosen.listed, _LARGEST))
        wheel = build(source, folder, self._judge_and_fetch, name=artifact.name, version=artifact.version)
        return self._kept(artifact.name, Built(wheel=wheel, source=artifact))

    def direct(self, wanted: Build) -> Built:
        """Build what a person named by a path.

        Raises:
            UsageError: It is something that is never built here.
            SourceError: It cannot be built here.
            AdmissionError: What it needs for the build is refused, or it is another project.
        """
        if wanted.editable:
            raise UsageError(
                "an editable is no copy that could be judged: it would run from its own folder",
                where=wanted.text,
                hint="install what it needs with weighlock, then `pip install --no-deps --no-build-isolation -e PATH`",
            )
        if wanted.kind not in {"folder", "sdist"} or wanted.location.startswith(("http://", "https://")):
            raise UsageError(
                "only folders and sdists on this machine are built",
                where=wanted.text,
                hint="fetch it yourself, look at it, and name its path",
            )
        if wanted.name is None:
            raise UsageError("its name is not known before it is built", where=wanted.text, hint="write NAME @ PATH")
        folder = self._folder(wanted.name)
        version = self._policy.allow_build[wanted.name]
        wheel = build(path_of(wanted), folder, self._judge_and_fetch, name=wanted.name, version=version)
        return self._kept(wanted.name, Built(wheel=wheel, direct="file"))

    def _chosen(self, name: str, specifier: str) -> tuple[Sdist, Index]:
        problem: SourceError | None = None
        for index in self._indexes:
            page = index.page(name)
            if page is None:
                continue
            try:
                return choose_sdist(page, specifier, python=self._python_version), index
            except SourceError as error:
                problem = problem or error
        raise problem or SourceError("no index has it", where=name)

    def _folder(self, name: str) -> Path:
        folder = self._quarantine / "built" / name
        folder.mkdir(mode=0o700, parents=True)
        return folder

    def _kept(self, name: str, built: Built) -> Built:
        self._built[name] = built
        return built


def path_of(wanted: Build) -> Path:
    """Return the path of a folder or an sdist that was named by a path, or by the URL of one (``name @ file:…``)."""
    url = urlsplit(wanted.location)
    return Path(url2pathname(url.path) if url.scheme == "file" else wanted.location)


def project_of(requirement: str) -> str:
    """Return the canonical name of what an installer found no wheel of."""
    return canonical_name(_parsed(requirement).name)


def requirement_of(built: Built, wanted: Build) -> Wanted:
    """Return the requirement of a wheel that was built of what a person named."""
    name = parse_wheel_filename(built.wheel.name)[0]
    extras = f"[{','.join(wanted.extras)}]" if wanted.extras else ""
    url = built.wheel.as_uri()
    return Wanted(line=f"{name}{extras} @ {url}", origin=wanted, name=str(name), url=url)


def _parsed(requirement: str) -> Requirement:
    try:
        return Requirement(requirement)
    except InvalidRequirement as error:
        raise SourceError("cannot be built: its name is not understood", where=requirement) from error
