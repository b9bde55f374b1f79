"""What uv chose, as requirements for pip: each project in exactly one version."""

from __future__ import annotations

import tomllib
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import Requirement
from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version

from weighlock.errors import DigestMismatchError, FormatError, OverBudgetError, SourceError, UsageError
from weighlock.formats import pylock
from weighlock.release import Origin
from weighlock.sources.pip.interface import Wanted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from weighlock.formats.package_lock import LockedPackage
    from weighlock.sources.pip.interface import PipRequest, Resolved

_HASH = " --hash="


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a person asked for about one project, of all that holds in this environment.

    Args:
        extras: Of all requirements.
        wanted: The requirement, or the constraint, that names a URL, if one does.
        hashes: As written.
    """

    extras: tuple[str, ...] = ()
    wanted: Wanted | None = None
    hashes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """What uv chose.

    Args:
        chosen: Each project with its files.
        asked: For by a person, by name.
        constrained: The same of constraints, which ask for nothing.
    """

    chosen: tuple[LockedPackage, ...]
    asked: Mapping[str, Asked]
    constrained: Mapping[str, Asked]

    def requirements(self, request: PipRequest) -> tuple[Wanted, ...]:
        """Return one requirement for each.

        Where pip would see more than one place, it is told the digests, so that it takes the file that uv chose. Not
        always, because with digests pip fetches whole wheels to read their metadata.

        Raises:
            UsageError: Digests are required, and one has none.
        """
        given = {name: one.hashes for name, one in (*self.constrained.items(), *self.asked.items()) if one.hashes}
        required = bool(given) or "--require-hashes" in request.resolving
        several = len(request.indexes) + len(request.find_links) > 1
        if "--no-require-hashes" in request.resolving:
            required = False
        return tuple(self._pin(one, given, required=required, several=several) for one in self.chosen)

    def _pin(
        self, package: LockedPackage, given: Mapping[str, frozenset[str]], *, required: bool, several: bool
    ) -> Wanted:
        if required and package.name not in given:
            hint = "give every requirement, dependencies too, with == and --hash"
            raise UsageError("digests are required, and this requirement has none", where=package.name, hint=hint)
        asked = self.asked.get(package.name, Asked())
        direct = asked.wanted or self.constrained.get(package.name, Asked()).wanted
        hashes = given.get(package.name) or (_digests(package) if several else frozenset())
        url = direct.url if direct is not None else None
        if package.kind != "index" and url is None:
            raise SourceError("is a URL that nobody asked for, and uv took it", where=package.name)
        text = package.name + (f"[{','.join(asked.extras)}]" if asked.extras else "")
        text += f" @ {url}" if url is not None else f"=={package.version}"
        line = text + "".join(f"{_HASH}{value}" for value in sorted(hashes))
        return Wanted(line=line, origin=Origin(text=f"{package.name} (uv)"), name=package.name, url=url)

    def matched(self, packages: Iterable[Resolved]) -> tuple[Resolved, ...]:
        """Return what pip answered, after making sure that it took only files that uv listed.

        A file of which pip learned no digest has to have the one that uv learned.

        Raises:
            DigestMismatchError: It took another file.
            SourceError: It took another project or version.
        """
        chosen = {one.name: one for one in self.chosen}
        return tuple(_matched(package, chosen.get(package.artifact.name)) for package in packages)


def _matched(package: Resolved, mine: LockedPackage | None) -> Resolved:
    artifact = package.artifact
    if mine is None or (mine.version is not None and Version(mine.version) != Version(artifact.version)):
        raise SourceError("is not what uv chose", where=f"{artifact.name} {artifact.version}")
    listed = {wheel.filename: wheel.digest for wheel in mine.wheels if wheel.digest is not None}
    digest = artifact.digest or listed.get(artifact.filename)
    if listed and digest not in listed.values():
        hint = "does another index have another file of that version?"
        raise DigestMismatchError("is not among the files that uv chose", where=artifact.filename, hint=hint)
    return replace(package, artifact=replace(artifact, digest=digest))


def parse(text: str, request: PipRequest, markers: Mapping[str, str]) -> Pins:
    """Read what uv wrote.

    Args:
        text: A ``pylock.toml``.
        request: What was asked.
        markers: Of the environment that is installed into.

    Raises:
        SourceError: It cannot be believed.

    Source:
        PEP 751.
    """
    try:
        chosen = pylock.parse(text)
        for one in chosen:
            Version(one.version or "0")
    except (FormatError, OverBudgetError, InvalidVersion, tomllib.TOMLDecodeError) as error:
        raise SourceError(f"uv wrote a lockfile that cannot be read: {error}") from None
    if len({one.name for one in chosen}) != len(chosen):
        raise SourceError("uv chose two versions of one project")
    for one in chosen:
        if one.kind not in {"index", "archive"} or (one.kind == "index" and one.version is None):
            raise SourceError("uv chose what only a build can make of it", where=one.name)
    return Pins(
        chosen=chosen, asked=_asked(request.requirements, markers), constrained=_asked(request.constraints, markers)
    )


def _asked(all_wanted: Iterable[Wanted], markers: Mapping[str, str]) -> dict[str, Asked]:
    asked: dict[str, Asked] = {}
    for wanted in all_wanted:
        text, *hashes = wanted.line.split(_HASH)
        requirement = Requirement(text)
        if not _holds(requirement, markers):
            continue
        before = asked.get(wanted.name, Asked())
        asked[wanted.name] = Asked(
            extras=tuple(sorted({*before.extras, *requirement.extras})),
            wanted=before.wanted or (wanted if wanted.url is not None else None),
            hashes=_narrowed(before.hashes, hashes),
        )
    return asked


def _narrowed(before: frozenset[str], hashes: list[str]) -> frozenset[str]:
    """Return what all requirements of a project admit; where they have nothing in common, no file will do."""
    if not hashes or not before:
        return before or frozenset(hashes)
    return before & frozenset(hashes) or frozenset({f"sha256:{'0' * 64}"})


def _holds(requirement: Requirement, markers: Mapping[str, str]) -> bool:
    try:
        return requirement.marker is None or requirement.marker.evaluate({**markers, "extra": ""})
    except (UndefinedComparison, UndefinedEnvironmentName):
        return True


def _digests(package: LockedPackage) -> frozenset[str]:
    return frozenset(f"sha256:{wheel.digest.value}" for wheel in package.wheels if wheel.digest is not None)


def preferences(installed: Mapping[str, str]) -> Iterator[str]:
    """Return the lines of a lockfile from which uv takes the versions that it need not change."""
    yield 'lock-version = "1.0"\ncreated-by = "weighlock"\npackages = ['
    for name, version in installed.items():
        with suppress(InvalidVersion, InvalidName):
            canonicalize_name(name, validate=True)  # a folder may be called what it likes
            yield f'{{ name = "{name}", version = "{Version(version)}" }},'
    yield "]"
