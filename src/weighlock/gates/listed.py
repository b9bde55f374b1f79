"""Releases that a requirements file, a lockfile or an environment lists, in the one form in which they are judged."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.tags import sys_tags
from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from weighlock import checks
from weighlock.artifact import Digest, PackageFile
from weighlock.finding import listing
from weighlock.gates.packages import unverifiable_package
from weighlock.install_policy import canonical_name
from weighlock.release import IndexFile, Origin, ProjectPage, Release

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from packaging.tags import Tag

    from weighlock.finding import Finding
    from weighlock.formats.installed import InstalledDistribution
    from weighlock.formats.package_lock import LockedDistribution, LockedPackage
    from weighlock.sources.pip.interface import PipRequest, Resolution, Wanted

_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})(?=\s|\Z)")
_DIRECT = {"archive": "url", "vcs": "vcs", "directory": "file"}
_BUILDS = {"vcs": "vcs", "directory": "folder"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A release as something lists it.

    Args:
        release: What is known without asking anybody.
        findings: What reading the list came to.
        digests: SHA-256 digests that the list demands, of which the file has to have one; empty where it demands none.
        build: Nothing but a build can satisfy it; says of what, as `BuildNeeded` does.
        editable: That build would leave its code where it is.
        installed: It is installed already, so that facts about its index are worth knowing and decide less.
    """

    release: Release
    findings: tuple[Finding, ...] = ()
    digests: frozenset[str] = frozenset()
    build: str | None = None
    editable: bool = False
    installed: bool = False

    @property
    def is_on_an_index(self) -> bool:
        """Whether indexes know it by its name and version."""
        return self.release.direct is None and bool(self.release.artifact.version)


def from_lock(packages: Sequence[LockedPackage], path: str) -> list[Listed]:
    """Return what a lockfile lists, without the project that it belongs to.

    Args:
        packages: As parsed.
        path: Of the lockfile, for a person.
    """
    return [_locked(package, path) for package in packages if package.kind != "project"]


def _locked(package: LockedPackage, path: str) -> Listed:
    origin = Origin(path=path, line=package.line)
    version = canonical_version(package.version or "")
    file = _best(package.wheels) or package.sdist
    artifact = PackageFile(
        name=package.name,
        version=version,
        filename=file.filename if file else "",
        digest=file.digest if file else None,
        size=file.size if file else None,
        url=file.url if file else None,
    )
    release = Release(
        artifact=artifact,
        requested=True,
        direct=_DIRECT.get(package.kind),
        origin=origin,
        served_by=_as_page(package),
    )
    digests = frozenset(one.digest.value for one in _files(package) if one.digest)
    build = None if file and file.filename.endswith(".whl") else _BUILDS.get(package.kind, "sdist")
    findings = tuple(_of_locked(package)) if build is None else ()
    return Listed(release=release, findings=findings, digests=digests, build=build)


def _of_locked(package: LockedPackage) -> Iterator[Finding]:
    """Yield what is wrong with the wheels that a lockfile lists, of which an installer could take any."""
    strange = [one.filename for one in package.wheels if not _is_named(one.filename, package)]
    if strange:
        yield unverifiable_package(f"the lockfile lists {strange[0]} for it, which is no wheel of this version")
    bare = [one.filename for one in package.wheels if one.digest is None]
    if bare:
        yield unverifiable_package(f"the lockfile has no SHA-256 digest of {listing(bare)}")


def _is_named(filename: str, package: LockedPackage) -> bool:
    """Say whether a wheel has the name and the version of the package that it is locked for."""
    try:
        name, version, _, _ = parse_wheel_filename(filename)
    except InvalidWheelFilename:
        return False
    return name == package.name and (package.version is None or str(version) == canonical_version(package.version))


def _files(package: LockedPackage) -> Iterator[LockedDistribution]:
    yield from package.wheels
    if package.sdist is not None:
        yield package.sdist


def _as_page(package: LockedPackage) -> ProjectPage | None:
    """Return what the lockfile repeats of its index: when files were uploaded."""
    if package.kind != "index":
        return None
    files = tuple(
        IndexFile(
            filename=one.filename,
            url=one.url or one.path or "",
            sha256=one.digest.value if one.digest else None,
            size=one.size,
            uploaded=one.uploaded,
        )
        for one in _files(package)
    )
    return ProjectPage(index=package.index or "the lockfile", name=package.name, files=files)


def from_requirements(request: PipRequest, *, complete: bool) -> list[Listed]:
    """Return what requirements list by exact versions, without asking anybody.

    Args:
        request: As read.
        complete: A person says that they list everything that would be installed.
    """
    found = [_pinned(wanted) for wanted in request.requirements]
    if not complete and not all(one.digests for one in found):
        why = "what it depends on is not listed, so which packages would come with it cannot be told"
        found = [replace(one, findings=(*one.findings, unverifiable_package(why))) for one in found]
    return [*found, *builds_of(request)]


def _pinned(wanted: Wanted) -> Listed:
    version, extras = _exact(wanted)
    artifact = PackageFile(name=wanted.name, version=version or "", filename="")
    release = Release(
        artifact=artifact,
        requested=True,
        extras=extras,
        direct="url" if wanted.url else None,
        origin=wanted.origin,
    )
    findings = []
    if version is None:
        findings.append(unverifiable_package("no exact version is required, so which one is installed cannot be told"))
    return Listed(release=release, findings=tuple(findings), digests=frozenset(_HASH.findall(wanted.line)))


def _exact(wanted: Wanted) -> tuple[str | None, tuple[str, ...]]:
    """Return the one version that a requirement admits, and its extras."""
    try:
        requirement = Requirement(wanted.line.partition(" --hash=")[0].strip())
    except InvalidRequirement:
        return None, ()
    extras = tuple(sorted(requirement.extras))
    if requirement.url is not None:
        try:
            return str(parse_wheel_filename(requirement.url.partition("#")[0].rpartition("/")[2])[1]), extras
        except InvalidWheelFilename:
            return None, extras
    for one in requirement.specifier:
        if one.operator in {"==", "==="} and not one.version.endswith(".*"):
            return canonical_version(one.version), extras
    return None, extras


def builds_of(request: PipRequest) -> list[Listed]:
    """Return the requirements that pip never hears of."""
    found = []
    for build in request.builds:
        artifact = PackageFile(name=build.name or "unnamed", version="unbuilt", filename=build.text)
        release = Release(artifact=artifact, requested=True, direct=build.kind, origin=build)
        found.append(Listed(release=release, build=build.kind, editable=build.editable))
    return found


def from_resolution(resolution: Resolution, request: PipRequest) -> list[Listed]:
    """Return what an installer chose, each package with the requirement that it is there for."""
    origins = _origins(resolution, request.origins)
    found = [
        Listed(
            release=Release(
                artifact=one.artifact,
                requested=one.requested,
                extras=one.extras,
                direct=one.direct,
                origin=origins.get(one.artifact.name),
                metadata=one.metadata,
                yanked=one.yanked,
            )
        )
        for one in resolution.packages
    ]
    return [*found, *builds_of(request)]


def _origins(resolution: Resolution, asked: Mapping[str, Origin]) -> dict[str, Origin]:
    """Return where a person wrote what each package is there for: itself, or the nearest that depends on it."""
    needs = {one.artifact.name: _needed(one.metadata) for one in resolution.packages}
    origins = dict(asked)
    queue = [name for name in needs if name in origins]
    for name in queue:
        for other in needs.get(name, ()):
            if other in needs and other not in origins:
                origins[other] = origins[name]
                queue.append(other)
    return origins


def _needed(metadata: Mapping[str, object]) -> list[str]:
    """Return the names in ``Requires-Dist``, whatever their markers: it is for a line in a report."""
    value = metadata.get("requires_dist")
    names = []
    for text in value if isinstance(value, list) else ():
        try:
            names.append(canonical_name(Requirement(str(text)).name))
        except InvalidRequirement:
            continue
    return names


def from_environment(distributions: Sequence[InstalledDistribution]) -> list[Listed]:
    """Return what is installed, with what its files show."""
    found = []
    for one in distributions:
        direct = "file" if one.editable is not None else "url" if one.direct is not None else None
        release = Release(
            artifact=PackageFile(name=one.name, version=canonical_version(one.version), filename=""),
            requested=one.requested,
            direct=direct,
            origin=Origin(path=one.place),
        )
        findings = tuple(checks.run(one, checks.PACKAGES))
        found.append(Listed(release=release, findings=findings, installed=True))
    return found


def identified(listed: Listed, pages: Sequence[ProjectPage]) -> Listed:
    """Return a release with the file that an installer would take, of those that indexes list.

    Args:
        listed: By name and version; one that names its file stays as it is.
        pages: What indexes say about the project.
    """
    artifact = listed.release.artifact
    if artifact.filename or listed.build is not None or not listed.is_on_an_index:
        return listed
    files = [(version, file) for page in pages for file in page.files if (version := _fitting(file.filename, listed))]
    demanded = [(version, file) for version, file in files if not listed.digests or file.sha256 in listed.digests]
    # An installer takes the highest version first, and 1.0+local is higher than 1.0 and satisfies ==1.0.
    highest = max((version for version, _ in demanded), default=None)
    file = min((file for version, file in demanded if version == highest), key=_rank_of, default=None)
    if file is None or highest is None:
        return listed if listed.installed else _not_found(listed, files)
    chosen = replace(
        artifact,
        version=str(highest),
        filename=file.filename,
        digest=Digest.sha256(file.sha256) if file.sha256 else None,
        size=file.size,
        url=file.url,
    )
    build = None if file.filename.endswith(".whl") or listed.installed else "sdist"
    return replace(listed, release=replace(listed.release, artifact=chosen), build=build)


def _not_found(listed: Listed, files: Sequence[object]) -> Listed:
    if files:
        why = "no file that an index lists for this version has a digest that is required"
    else:
        why = "no configured index lists this version"
    return replace(listed, findings=(*listed.findings, unverifiable_package(why)))


def _best(wheels: Sequence[LockedDistribution]) -> LockedDistribution | None:
    return min(wheels, key=lambda one: _rank(one.filename), default=None)


def _rank(filename: str) -> tuple[int, str]:
    """Return how well a wheel fits this interpreter; one that does not fit it at all comes last."""
    ranks = _ranks()
    try:
        tags = parse_wheel_filename(filename)[3]
    except InvalidWheelFilename:
        return len(ranks) + 1, filename  # an sdist, or what nobody can install
    return min((ranks.get(tag, len(ranks)) for tag in tags), default=len(ranks)), filename


def _rank_of(file: IndexFile) -> tuple[int, str]:
    return _rank(file.filename)


@cache
def _ranks() -> dict[Tag, int]:
    return {tag: rank for rank, tag in enumerate(sys_tags())}


def _fitting(filename: str, listed: Listed) -> Version | None:
    """Return the version of a file that an index lists, if an installer could take it for what is listed."""
    artifact = listed.release.artifact
    try:
        if filename.endswith(".whl"):
            name, version, _, _ = parse_wheel_filename(filename)
        else:
            name, version = parse_sdist_filename(filename)
    except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
        return None
    if name != artifact.name:
        return None
    same = str(version) == artifact.version or (not listed.installed and version.public == artifact.version)
    return version if same else None


def canonical_version(text: str) -> str:
    """Return a version as PEP 440 spells it, or as it is written where it is none."""
    try:
        return str(Version(text))
    except InvalidVersion:
        return text
