"""``uv.lock``: the lockfile of projects that uv manages.

Source:
    docs.astral.sh/uv/concepts/projects/layout ("The lockfile"), and the files that uv 0.13 writes: version 1.
"""

from __future__ import annotations

from typing import Any

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

_KINDS = {
    "registry": "index",
    "git": "vcs",
    "url": "archive",
    "path": "archive",
    "directory": "directory",
    "editable": "directory",
    "virtual": "project",
}


def parse(text: str) -> tuple[LockedPackage, ...]:
    """Return every package that the file lists, the project itself and its members as ``project``.

    Raises:
        FormatError: It is no lockfile of a version that is known, or a key is broken; `where` is its path.
        OverBudgetError: It is too large.
    """
    document = load(text)
    if document.get("version") != 1 or isinstance(document.get("version"), bool):
        found = str(document.get("version"))[:40]
        raise FormatError(f"is {found}, and only 1 is known", where="version", hint="is it a lockfile of uv?")
    listed = tables(document.get("package"), "package")
    lines = lines_of(text, "package", len(listed))
    return tuple(_package(data, f"package[{index}]", lines[index]) for index, data in enumerate(listed))


def _package(data: dict[str, Any], where: str, line: int | None) -> LockedPackage:
    source = table(data.get("source"), f"{where}.source")
    given = [key for key in _KINDS if key in source]
    if len(given) != 1:
        raise FormatError("must have exactly one of " + ", ".join(_KINDS), where=f"{where}.source")
    (key,) = given
    place = text_of(source, key, f"{where}.source")
    if place is None:
        raise FormatError("must be a string", where=f"{where}.source.{key}")
    kind = "project" if key in {"directory", "editable"} and is_inside(place) else _KINDS[key]
    wheels = tuple(_file(item, f"{where}.wheels[{n}]") for n, item in enumerate(files(data.get("wheels"), where)))
    sdist = _file(table(data["sdist"], f"{where}.sdist"), f"{where}.sdist") if "sdist" in data else None
    return LockedPackage(
        name=name_of(data, where),
        version=text_of(data, "version", where),
        line=line,
        kind=kind,
        index=without_credentials(place) if kind == "index" else None,
        where=None if kind == "index" else without_credentials(place),
        wheels=wheels,
        sdist=sdist or _archive(key, place, wheels),
    )


def _archive(key: str, place: str, wheels: tuple[LockedDistribution, ...]) -> LockedDistribution | None:
    """Return the sdist at a URL or a path, where the lockfile has no entry for it and no wheel."""
    if key not in {"url", "path"} or wheels:
        return None
    url = without_credentials(place) if key == "url" else None
    return LockedDistribution(filename=last_part(place), url=url, path=place if key == "path" else None)


def _file(data: dict[str, Any], where: str) -> LockedDistribution:
    url, path = text_of(data, "url", where), text_of(data, "path", where)
    filename = text_of(data, "filename", where) or last_part(url or path or "")
    if not filename:
        raise FormatError("has no url, no path and no filename", where=where)
    algorithm, _, value = (text_of(data, "hash", where) or "").partition(":")
    return LockedDistribution(
        filename=filename,
        url=None if url is None else without_credentials(url),
        path=path,
        digest=digest_of(value, f"{where}.hash") if algorithm == "sha256" else None,
        size=size_of(data, where),
        uploaded=uploaded_of(data, where),
    )
