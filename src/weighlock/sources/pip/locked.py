"""A ``pylock.toml`` as pip is to install it: exactly the files that it lists, by their digests.

Every pip that is supported can do this, also those that know nothing of such files: each package becomes a requirement
with its version and its digests, and the files of the lock become a page of links for pip to find them on.

Source:
    PEP 751, https://packaging.python.org/specifications/pylock-toml/
"""

from __future__ import annotations

import html
import os
import tomllib
from typing import TYPE_CHECKING, Any
from urllib.request import pathname2url

from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from weighlock.errors import FormatError, OverBudgetError, UsageError
from weighlock.formats import pylock
from weighlock.release import Origin
from weighlock.sources.pip.interface import Build
from weighlock.sources.pip.text_file import read_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from weighlock.formats.package_lock import LockedDistribution, LockedPackage
    from weighlock.sources.pip.reading import Reading

_MOST_BYTES = 64 << 20
_KINDS = {"vcs": "vcs", "directory": "folder", "project": "folder", "archive": "sdist"}


def read_into(reading: Reading, path: str, markers: Mapping[str, str]) -> None:
    """Take in every package of a lockfile that is for this environment.

    Args:
        reading: Where requirements and links go.
        path: Absolute.
        markers: Of the environment that is installed into.

    Raises:
        UsageError: It cannot be read, is for other environments, or lists a file without a digest.
    """
    text = read_text(path, _MOST_BYTES)
    try:
        packages = pylock.parse(text)
        data = tomllib.loads(text)
    except (FormatError, OverBudgetError) as error:
        raise UsageError(error.message, where=f"{path}: {error.where}" if error.where else path) from None
    groups = data.get("default-groups", [])
    if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
        raise UsageError("its default-groups are no list of names", where=path)
    context: dict[str, Any] = {**markers, "extras": set(), "dependency_groups": set(groups)}
    _require_meant(data, context, path)
    for package in packages:
        if package.marker is None or _holds(package.marker, context, f"{path}: {package.name}"):
            _take(reading, package, path)


def page(links: Iterable[str]) -> str:
    """Return a page of links as pip finds files on."""
    rows = "\n".join(f'<a href="{html.escape(link)}">{html.escape(link)}</a>' for link in links)
    return f'<!DOCTYPE html><html><head><meta charset="utf-8"></head><body>\n{rows}\n</body></html>\n'


def _take(reading: Reading, package: LockedPackage, path: str) -> None:
    origin = Origin(path=path, line=package.line, text=f"{package.name}=={package.version or '*'}")
    where = f"{path}: {package.name}"
    folder = os.path.dirname(path)
    if package.kind == "index":
        files = [*package.wheels, *((package.sdist,) if package.sdist else ())]
        hashes = tuple(f"sha256:{_sha256(file, where)}" for file in files)
        text = f"{package.name}=={package.version or _version(package.wheels, where)}"
        reading.add(text, origin, folder=folder, hashes=hashes)
        reading.links.extend(f"{_url(wheel, path, where)}#sha256={_sha256(wheel, where)}" for wheel in package.wheels)
    elif package.kind == "archive" and package.wheels:
        (wheel,) = package.wheels
        text = f"{package.name} @ {_url(wheel, path, where)}"
        reading.add(text, origin, folder=folder, hashes=(f"sha256:{_sha256(wheel, where)}",))
    else:
        reading.builds.append(
            Build(
                path=origin.path,
                line=origin.line,
                text=origin.text,
                kind=_KINDS[package.kind],
                location=package.where or "",
                name=package.name,
            )
        )


def _sha256(file: LockedDistribution, where: str) -> str:
    if file.digest is None:
        raise UsageError(f"lists {file.filename[:200]!r} without a sha256 digest", where=where)
    return file.digest.value


def _url(file: LockedDistribution, path: str, where: str) -> str:
    if file.path is None:
        url = (file.url or "").partition("#")[0]
        if not url.startswith(("https://", "http://", "file://")) or not url.isascii() or not url.isprintable():
            raise UsageError(f"lists {file.filename[:200]!r} at what is no URL of a file", where=where)
        return url
    place = os.path.normpath(os.path.join(os.path.dirname(path), file.path))
    return f"file://{pathname2url(place)}"


def _version(wheels: Sequence[LockedDistribution], where: str) -> str:
    try:
        return str(parse_wheel_filename(wheels[0].filename)[1])
    except (InvalidWheelFilename, IndexError):
        raise UsageError("has neither a version nor a wheel", where=where) from None


def _require_meant(data: Mapping[str, Any], context: Mapping[str, Any], path: str) -> None:
    python = data.get("requires-python")
    try:
        fits = python is None or SpecifierSet(str(python)).contains(context["python_full_version"], prereleases=True)
    except InvalidSpecifier:
        fits = False
    environments = data.get("environments") or []
    if not fits:
        raise UsageError(f"is for another Python: {str(python)[:100]}", where=path)
    if not isinstance(environments, list) or (
        environments and not any(_holds(str(one), context, path) for one in environments)
    ):
        raise UsageError("is for other environments than this one", where=path)


def _holds(marker: str, context: Mapping[str, Any], where: str) -> bool:
    try:
        return Marker(marker).evaluate(dict(context), context="lock_file")
    except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName, TypeError, RecursionError):
        raise UsageError(f"has a marker that cannot be decided: {marker[:200]!r}", where=where) from None
