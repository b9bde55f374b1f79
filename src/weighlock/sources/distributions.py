"""What is installed somewhere, as its metadata describe it: nothing is run, and no file is hashed but RECORD itself."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any

from weighlock.artifact import Digest
from weighlock.errors import FormatError, SourceError
from weighlock.formats import core_metadata, record
from weighlock.formats.distribution import (
    Distribution,
    archive_digest,
    author_of,
    license_words,
    licenses_of_classifiers,
    urls_of,
)
from weighlock.formats.installed import direct_url
from weighlock.install_policy import canonical_name
from weighlock.sources.stray_files import read_file

if TYPE_CHECKING:
    from collections.abc import Sequence

_SUFFIXES = (".dist-info", ".egg-info")
_LARGEST = 16 << 20


def read_distributions(folders: Sequence[str]) -> tuple[Distribution, ...]:
    """Read the metadata of every distribution in some library folders.

    Args:
        folders: In the order in which Python looks into them: of two versions of a project the first counts.

    Returns:
        One for each project, in the order of their names.

    Raises:
        SourceError: A folder cannot be read.
    """
    found: dict[str, Distribution] = {}
    for folder in folders:
        try:
            names = sorted(os.listdir(folder))
        except OSError as error:
            raise SourceError(f"cannot be read: {error.strerror}", where=folder) from error
        for name in names:
            if name.lower().endswith(_SUFFIXES):
                one = _read(os.path.join(folder, name))
                found.setdefault(one.name, one)
    return tuple(found[name] for name in sorted(found))


def newest(folders: Sequence[str]) -> int | None:
    """Return when the newest metadata folder was made, in seconds since 1970."""
    times = [
        int(entry.stat().st_mtime)
        for folder in folders
        for entry in os.scandir(folder)
        if entry.name.lower().endswith(_SUFFIXES)
    ]
    return max(times, default=None)


def _read(place: str) -> Distribution:
    """Read one; what cannot be read is a problem of it and ends nothing."""
    folder, _, version = os.path.basename(place).rpartition(".")[0].partition("-")
    name, version = folder, version.partition("-py")[0]
    facts: dict[str, Any] = {}
    try:
        headers = core_metadata.parse(_metadata(place))
        name, version = headers.first("name") or name, headers.first("version") or version
        facts = _described(headers)
        facts |= _origin(place)
        facts |= _recorded(place)
        if canonical_name(folder) != canonical_name(name):
            facts["problem"] = "its metadata name another project than its folder"
    except FormatError as error:
        facts["problem"] = error.message
    except OSError as error:
        facts["problem"] = f"{os.path.basename(error.filename or place)} cannot be read: {error.strerror}"
    return Distribution(name=canonical_name(name), version=version, **facts)


def _metadata(place: str) -> bytes:
    if os.path.isfile(place):  # an old .egg-info file is the metadata itself
        return read_file(place, _LARGEST)
    egg = place.lower().endswith(".egg-info")
    return read_file(os.path.join(place, "PKG-INFO" if egg else "METADATA"), _LARGEST)


def _described(headers: core_metadata.Headers) -> dict[str, Any]:
    return {
        "summary": headers.first("summary"),
        "author": author_of(headers),
        "expression": headers.first("license-expression"),
        "license": license_words(headers),
        "classifiers": licenses_of_classifiers(headers),
        "urls": urls_of(headers),
        "requires": headers.all("requires-dist"),
    }


def _origin(place: str) -> dict[str, Any]:
    facts: dict[str, Any] = {"requested": os.path.isfile(os.path.join(place, "REQUESTED"))}
    installer, told = os.path.join(place, "INSTALLER"), os.path.join(place, "direct_url.json")
    if os.path.isfile(installer):
        facts["installer"] = read_file(installer, _LARGEST).decode("utf-8", "replace").strip()[:100]
    if os.path.isfile(told):
        data = read_file(told, _LARGEST)
        where = direct_url(data)
        facts |= {"direct": where.url, "editable": where.editable, "archive": archive_digest(data)}
    return facts


def _recorded(place: str) -> dict[str, Any]:
    path = os.path.join(place, "RECORD")
    if not os.path.isfile(path):
        return {"problem": "it has no RECORD of its files"}
    data = read_file(path)
    table = record.parse(data)
    if table.twice or table.odd:
        return {"problem": "its RECORD is broken"}
    files = tuple((row.path, _digest(row), row.size) for row in table.rows.values())
    return {"record": Digest.sha256(hashlib.sha256(data).hexdigest()), "record_size": len(data), "files": files}


def _digest(row: record.Row) -> Digest | None:
    return Digest.sha256(row.digest.hex()) if row.algorithm == "sha256" and len(row.digest) == 32 else None
