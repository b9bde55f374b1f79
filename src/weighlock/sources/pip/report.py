"""pip's report about an installation, version 1: bytes in, a resolution out.

Strict: everything that it lists must be a wheel behind a URL or in a file, whose name says what its metadata say.

Source:
    https://pip.pypa.io/en/stable/reference/installation-report/
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from weighlock.artifact import Digest, PackageFile
from weighlock.errors import SourceError
from weighlock.sources.pip.interface import Resolution, Resolved
from weighlock.sources.pip.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from weighlock.sources.pip.interface import PipRequest

MOST_BYTES = 256 << 20
_MOST_PACKAGES = 5000
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


def parse(data: bytes, request: PipRequest) -> Resolution:
    """Make a resolution from pip's report.

    Args:
        data: The report.
        request: What was asked; direct URLs get their credentials back from it.

    Raises:
        SourceError: It is not what pip writes, or lists what is no wheel.

    Source:
        The version 1 of the report.
    """
    try:
        whole = json.loads(data)
    except (ValueError, RecursionError):
        raise _unbelievable("is not JSON") from None
    if not isinstance(whole, dict) or whole.get("version") != "1":
        raise _unbelievable("is not of version 1")
    rows, markers = whole.get("install"), whole.get("environment")
    if not isinstance(rows, list) or len(rows) > _MOST_PACKAGES:
        raise _unbelievable("has no list of packages, or a very long one")
    packages = tuple(_resolved(row, request) for row in rows)
    if len({package.artifact.name for package in packages}) != len(packages):
        raise _unbelievable("lists a project twice")
    return Resolution(
        packages=packages,
        markers={str(key): str(value) for key, value in markers.items()} if isinstance(markers, dict) else {},
        report=data,
    )


def _resolved(row: Any, request: PipRequest) -> Resolved:
    metadata, download = _table(row, "metadata"), _table(row, "download_info")
    name, version = _named(metadata)
    url = download.get("url")
    if not isinstance(url, str) or not url.isprintable():
        raise _unbelievable(f"gives {name} no URL")
    if not isinstance(download.get("archive_info"), dict):
        raise SourceError(
            "can only be built, and nothing is built before the verdict",
            where=f"{name} {redacted(url)}",
            hint=f'list it in the policy to have it built in isolation: allow-build = ["{name}"]',
        )
    filename = _filename(url, name, version)
    direct = bool(row.get("is_direct"))
    return Resolved(
        artifact=PackageFile(
            name=name,
            version=version,
            filename=filename,
            digest=_digest(download["archive_info"], name),
            url=redacted(url).partition("#")[0],
        ),
        url=_with_credentials(url, name, request),
        requested=bool(row.get("requested")),
        extras=_extras(row, name),
        direct=_kind(url) if direct else None,
        direct_url=_direct_url(download) if direct else None,
        yanked=bool(row.get("is_yanked")),
        metadata=metadata,
    )


def _named(metadata: Mapping[str, Any]) -> tuple[str, str]:
    name, version = metadata.get("name"), metadata.get("version")
    if not isinstance(name, str) or not isinstance(version, str):
        raise _unbelievable("lists a package without name or version")
    if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", name):
        raise _unbelievable("lists a package of a name that none can have")
    try:
        return canonicalize_name(name), str(Version(version))
    except InvalidVersion:
        raise _unbelievable(f"gives {name[:100]} a version that none can have") from None


def _filename(url: str, name: str, version: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        raise _unbelievable(f"gives {name} what is no URL") from None
    filename = unquote(parts.path).rpartition("/")[2]
    if parts.scheme not in {"https", "http", "file"}:
        raise _unbelievable(f"gives {name} a URL that is neither of a server nor of a file")
    if not filename.endswith(".whl"):
        raise SourceError(
            "is no wheel, and nothing is built before the verdict",
            where=f"{name} {redacted(url)}",
            hint=f'list it in the policy to have it built in isolation: allow-build = ["{name}"]',
        )
    try:
        found, number, _, _ = parse_wheel_filename(filename)
    except InvalidWheelFilename:
        raise SourceError("is not the name of a wheel", where=filename[:200]) from None
    if found != name or number != Version(version):
        raise SourceError(f"holds the metadata of {name} {version}", where=filename[:200])
    return filename


def _digest(archive: Mapping[str, Any], name: str) -> Digest | None:
    hashes = archive.get("hashes")
    value = hashes.get("sha256") if isinstance(hashes, dict) else None
    old = archive.get("hash")
    if value is None and isinstance(old, str) and old.startswith("sha256="):
        value = old.removeprefix("sha256=")
    if value is None:
        return None
    if not isinstance(value, str) or not _SHA256.match(value.lower()):
        raise _unbelievable(f"gives {name} a digest that is none")
    return Digest.sha256(value.lower())


def _extras(row: Mapping[str, Any], name: str) -> tuple[str, ...]:
    extras = row.get("requested_extras", [])
    if not isinstance(extras, list) or not all(isinstance(extra, str) for extra in extras):
        raise _unbelievable(f"gives {name} extras that are none")
    return tuple(extras)


def _kind(url: str) -> str:
    return "file" if url.startswith("file:") else "url"


def _direct_url(download: Mapping[str, Any]) -> dict[str, object]:
    """Return what pip would write to ``direct_url.json``; it has taken the credentials out already."""
    return {"url": redacted(download["url"]), "archive_info": download["archive_info"]}


def _with_credentials(url: str, name: str, request: PipRequest) -> str:
    """Return the URL as the user wrote it, if this is that one: in its report pip leaves credentials out."""
    bare = _bare(url)
    for wanted in (*request.requirements, *request.constraints):
        if wanted.name == name and wanted.url is not None and _bare(wanted.url) == bare:
            return wanted.url
    return url


def _bare(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()


def _table(row: Any, key: str) -> dict[str, Any]:
    value = row.get(key) if isinstance(row, dict) else None
    if not isinstance(value, dict):
        raise _unbelievable(f"lists a package without {key}")
    return value


def _unbelievable(why: str) -> SourceError:
    return SourceError(f"pip's report {why}")
