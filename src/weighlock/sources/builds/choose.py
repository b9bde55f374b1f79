"""Which sdist of a project would be built, from what an index lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidSdistFilename, parse_sdist_filename

from weighlock.artifact import Digest, PackageFile
from weighlock.errors import SourceError

if TYPE_CHECKING:
    from packaging.version import Version

    from weighlock.release import IndexFile, ProjectPage

_SUFFIXES = (".tar.gz", ".zip")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sdist:
    """An sdist that an index lists.

    Args:
        artifact: With the digest that its bytes must have.
        listed: The entry of the page.
        page: The page.
    """

    artifact: PackageFile
    listed: IndexFile
    page: ProjectPage


def choose_sdist(page: ProjectPage, specifier: str = "", *, python: str, pre: bool = False) -> Sdist:
    """Choose the newest sdist that fits, as pip would among sdists.

    Args:
        page: What the index lists.
        specifier: Versions that are asked for, such as ``>=1,<2``.
        python: The version of the Python that it is for, such as ``3.11.7``.
        pre: Pre-releases count as well.

    Raises:
        SourceError: There is none, or the index gives no digest for it, so that its bytes could be any.

    Source:
        PEP 440 for the order of versions and for pre-releases, PEP 592 for yanked files, PEP 625 for names.
    """
    try:
        wanted = SpecifierSet(specifier, prereleases=pre or None)
    except InvalidSpecifier as error:
        raise SourceError(f"is asked for in a version that is none: {specifier[:200]!r}", where=page.name) from error
    found = {version: file for file in reversed(page.files) if (version := _version(page, file, python)) is not None}
    fitting = [version for version in wanted.filter(sorted(found)) if _is_meant(found[version], wanted)]
    if not fitting:
        raise SourceError("the index lists no sdist that fits", where=f"{page.name}{specifier}")
    version = max(fitting)
    file = found[version]
    if file.sha256 is None:
        raise SourceError("the index gives no sha256 digest for it, so it cannot be built", where=file.filename)
    artifact = PackageFile(
        name=page.name,
        version=str(version),
        filename=file.filename,
        digest=Digest.sha256(file.sha256),
        size=file.size,
        url=file.url,
    )
    return Sdist(artifact=artifact, listed=file, page=page)


def _version(page: ProjectPage, file: IndexFile, python: str) -> Version | None:
    """Return the version of a file that is an sdist of this project for this Python."""
    if not file.filename.endswith(_SUFFIXES):
        return None
    try:
        name, version = parse_sdist_filename(file.filename)
        if file.requires_python and not SpecifierSet(file.requires_python).contains(python, prereleases=True):
            return None
    except (InvalidSdistFilename, InvalidSpecifier):
        return None
    return version if name == page.name else None


def _is_meant(file: IndexFile, wanted: SpecifierSet) -> bool:
    """A yanked file is meant by nothing but its exact version."""
    return file.yanked is None or any(one.operator in {"==", "==="} and "*" not in one.version for one in wanted)
