"""``pylock.toml``: the lockfile of packages that every installer understands.

Source:
    PEP 751, "A file format to record Python dependencies for installation reproducibility"; the living specification at
    packaging.python.org/specifications/pylock-toml.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from weighlock.errors import FormatError
from weighlock.formats.package_lock import (
    LockedDistribution,
    LockedPackage,
    digest_of,
    files,
    is_inside,
    last_part,
    lines_of,
    load,
    name_of,
    size_of,
    table,
    tables,
    text_of,
    uploaded_of,
    without_credentials,
)

if TYPE_CHECKING:
    from weighlock.artifact import Digest

FILE_NAME = re.compile(r"pylock\.(?:[^.]+\.)?toml\Z")
"""``pylock.toml`` and ``pylock.NAME.toml``."""

_SOURCES = ("vcs", "directory", "archive")


def parse(text: str) -> tuple[LockedPackage, ...]:
    """Return every package that the file lists.

    Raises:
        FormatError: It is no lockfile of a version that is known, or a key is broken; `where` is its path.
        OverBudgetError: It is too large.

    Source:
        PEP 751.
    """
    document = load(text)
    version = document.get("lock-version")
    if not isinstance(version, str):
        raise FormatError("is not there, so this is no pylock.toml", where="lock-version")
    if version != "1.0":
        raise FormatError(f"is {version[:40]!r}, and only 1.0 is known", where="lock-version")
    if "packages" not in document:
        raise FormatError("is not there", where="packages")
    listed = tables(document["packages"], "packages")
    lines = lines_of(text, "packages", len(listed))
    return tuple(_package(data, f"packages[{index}]", lines[index]) for index, data in enumerate(listed))


def _package(data: dict[str, Any], where: str, line: int | None) -> LockedPackage:
    name = name_of(data, where)
    given = [key for key in _SOURCES if key in data]
    wheels = tuple(_file(item, f"{where}.wheels[{n}]") for n, item in enumerate(files(data.get("wheels"), where)))
    sdist = _file(table(data["sdist"], f"{where}.sdist"), f"{where}.sdist") if "sdist" in data else None
    if len(given) + bool(wheels or sdist) != 1:
        raise FormatError("must have exactly one of vcs, directory, archive, or sdist and wheels", where=where)
    index = text_of(data, "index", where)
    common: dict[str, Any] = {
        "name": name,
        "version": text_of(data, "version", where),
        "line": line,
        "index": None if index is None else without_credentials(index),
        "marker": text_of(data, "marker", where),
    }
    if not given:
        return LockedPackage(kind="index", wheels=wheels, sdist=sdist, **common)
    (kind,) = given
    source = table(data[kind], f"{where}.{kind}")
    if kind == "archive":
        file = _file(source, f"{where}.archive")
        is_wheel = file.filename.endswith(".whl")
        return LockedPackage(
            kind="archive",
            where=file.url or file.path,
            wheels=(file,) if is_wheel else (),
            sdist=None if is_wheel else file,
            **common,
        )
    place = _build_source(kind, source, f"{where}.{kind}")
    own = kind == "directory" and is_inside(place)
    return LockedPackage(kind="project" if own else kind, where=place, **common)


def _build_source(kind: str, source: dict[str, Any], where: str) -> str:
    place = text_of(source, "url", where) or text_of(source, "path", where)
    if place is None:
        raise FormatError("has no url and no path", where=where)
    commit = text_of(source, "commit-id", where)
    if kind == "vcs" and commit is None:
        raise FormatError("has no commit-id", where=where)
    return without_credentials(f"{place}@{commit}" if commit else place)


def _file(data: dict[str, Any], where: str) -> LockedDistribution:
    url, path = text_of(data, "url", where), text_of(data, "path", where)
    if url is None and path is None:
        raise FormatError("has no url and no path", where=where)
    return LockedDistribution(
        filename=text_of(data, "name", where) or last_part(url or path or ""),
        url=None if url is None else without_credentials(url),
        path=path,
        digest=_digest(data, where),
        size=size_of(data, where),
        uploaded=uploaded_of(data, where),
    )


def _digest(data: dict[str, Any], where: str) -> Digest | None:
    hashes = table(data.get("hashes", {}), f"{where}.hashes")
    return digest_of(hashes.get("sha256"), f"{where}.hashes.sha256")
